//! Trains the digit networks that ship in `networks/` again: `cargo run --release -p absint-lab --bin train_digits`.
//! The files that it writes are bit for bit the committed ones, on any machine.

use absint::format::images;
use absint_lab::train::{digits, train};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "networks".into()));
    let images = images::read("networks/digits.csv")?;
    for (name, options) in digits::all() {
        let trained = train(&options, &images)?;
        std::fs::write(folder.join(name).with_extension("onnx"), trained.to_onnx())?;
        let (training, test) = (100.0 * trained.train_accuracy, 100.0 * trained.test_accuracy);
        writeln!(std::io::stdout(), "{name}: {training:.2} % of the training images, {test:.2} % of the test images")?;
    }
    Ok(())
}
