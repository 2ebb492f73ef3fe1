//! Trains the binarized MNIST networks that ship in `networks/` again:
//! `cargo run --release -p absint-lab --bin train_mnist_bnn -- t10k-images.idx3-ubyte [FOLDER]`. The files that it
//! writes are bit for bit the committed ones, on any machine and with any number of threads.

use absint::format::images;
use absint_lab::train::{Trained, mnist, train};
use rayon::prelude::*;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().ok_or("usage: train_mnist_bnn t10k-images.idx3-ubyte [FOLDER]")?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "networks".into()));
    let images = images::read(data)?;
    // The largest first, so that all threads are done at about the same time.
    let mut recipes = mnist::all();
    recipes.reverse();
    let mut trained: Vec<(String, Trained)> = recipes
        .into_par_iter()
        .with_max_len(1)
        .map(|(name, options)| train(&options, &images).map(|trained| (name, trained)))
        .collect::<Result<_, _>>()?;
    trained.reverse();
    for (name, trained) in trained {
        std::fs::write(folder.join(&name).with_extension("onnx"), trained.to_onnx())?;
        let (training, test) = (100.0 * trained.train_accuracy, 100.0 * trained.test_accuracy);
        writeln!(std::io::stdout(), "{name}: {training:.2} % of the training images, {test:.2} % of the test images")?;
    }
    Ok(())
}
