//! Images that cannot be read.

use super::cases::Case;
use super::kinds;
use super::onnx::two_by_two;
use absint::format::images;
use std::path::Path;

fn kind(folder: &Path) -> &'static str {
    let problem = |name: &str| images::read(folder.join(name)).map(drop).unwrap_err().problem;
    kinds::images(&problem(if folder.join("i.csv").exists() { "i.csv" } else { "train-images" }))
}

fn case(kind_name: &'static str, text: &str, names: &[&'static str]) -> Case {
    let case = Case::new(kind_name, "analyze net.onnx --data i.csv --eps 0.1", names);
    case.file("net.onnx", two_by_two()).file("i.csv", text).is(kind)
}

fn idx(kind_name: &'static str, pixels: &[u8], labels: &[u8], names: &[&'static str]) -> Case {
    let case = Case::new(kind_name, "certify net.onnx --data train-images --eps 0.1", names);
    case.file("net.onnx", two_by_two()).file("train-images", pixels).file("train-labels", labels).is(kind)
}

/// An idx file of unsigned bytes.
pub fn idx_bytes(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|s| s.to_be_bytes()));
    bytes.extend(data);
    bytes
}

pub fn cases() -> Vec<Case> {
    let (pixels, labels) = (idx_bytes(&[2, 1, 2], &[1, 2, 3, 4]), idx_bytes(&[2], &[0, 1]));
    let missing =
        Case::new("images.unreadable", "analyze net.onnx --data i.csv --eps 0.1", &["i.csv", "cannot be read"]);
    let nameless =
        Case::new("images.no-label-file", "certify net.onnx --data pixels --eps 0.1", &["pixels", "label file"]);
    vec![
        missing.file("net.onnx", two_by_two()),
        case("images.unreadable", "", &[]).damaged(),
        case("images.no-images", "label,px0,px1\n", &["i.csv"]),
        case("images.field", "0,1,2\n1,300,4\n", &["i.csv:2:", "field 2", "`300`", "0 to 255"]),
        case("images.field", "zero,1,2\n-1,3,4\n", &["i.csv:2:", "`-1`", "class number"]),
        case("images.ragged", "0,1,2\n\n1,3\n", &["i.csv:3:"]),
        case("images.no-pixels", "0\n", &["i.csv:1:", "`label,px,px,…`"]),
        idx("images.magic", &[0, 0, 13, 1, 0, 0, 0, 0], &labels, &["train-images"]),
        idx("images.length", &pixels[..pixels.len() - 1], &labels, &["train-images", "cut off"]),
        idx("images.dimensions", &labels, &pixels, &["train-labels", "exchanged"]),
        idx("images.label-count", &pixels, &idx_bytes(&[3], &[0, 1, 0]), &["train-labels", "3 labels", "2 images"]),
        nameless.file("net.onnx", two_by_two()).file("pixels", &pixels),
    ]
}

impl Case {
    /// With images that begin like a gzip file and end too soon.
    fn damaged(mut self) -> Self {
        self.files.retain(|(name, _)| *name != "i.csv");
        self.names = vec!["i.csv", "damaged gzip data"];
        self.file("i.csv", [0x1F, 0x8B, 8, 0])
    }
}
