//! Labelled images: CSV `label,px…` and MNIST's idx pairs. Pixel value `k` (0–255) is the rational
//! `k/255`.

mod channels;
mod csv;
mod error;
mod idx;
mod set;

pub use channels::{Channels, StatedChannels};
pub use error::{ImagesError, ImagesProblem};
pub use set::{Image, ImageSet, Layout};

use super::file;
use std::path::Path;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 32;

/// Reads a CSV file, or an idx file of images together with the labels beside it: those of
/// `t10k-images.idx3-ubyte` are in `t10k-labels.idx1-ubyte`.
///
/// # Errors
/// An [`ImagesError`] that names the file and, in a CSV file, the line.
pub fn read(path: impl AsRef<Path>) -> Result<ImageSet, ImagesError> {
    let path = path.as_ref();
    let bytes = load(path)?;
    if bytes.starts_with(&[0, 0]) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let labels = name.replace("images", "labels").replace("idx3", "idx1");
        if labels == name {
            return Err(ImagesError::new(path, None, ImagesProblem::NoLabelFile));
        }
        let labels = path.with_file_name(labels);
        return ImageSet::from_idx(&bytes, &load(&labels)?, path, &labels);
    }
    ImageSet::from_csv(&bytes, path)
}

/// All bytes of a file of sensible size.
fn load(path: &Path) -> Result<Vec<u8>, ImagesError> {
    let fail = |problem| ImagesError::new(path, None, problem);
    file::read(path, LONGEST_FILE).map_err(|e| fail(ImagesProblem::Unreadable(e)))?.ok_or(fail(ImagesProblem::TooLong))
}

impl ImageSet {
    /// Reads lines `label,px,px,…` of integers, pixels in 0–255; `name` stands for the file in errors. A first line
    /// that does not begin with a number is a header; empty lines are skipped.
    ///
    /// # Errors
    /// An [`ImagesError`] with the line.
    pub fn parse_csv(text: &[u8], name: &str) -> Result<Self, ImagesError> {
        Self::from_csv(text, Path::new(name))
    }

    fn from_csv(text: &[u8], path: &Path) -> Result<Self, ImagesError> {
        csv::parse(text).map_err(|(line, problem)| ImagesError::new(path, Some(line), problem))
    }

    /// Reads MNIST's pair of idx files of unsigned bytes. Nothing is allocated that the files do not hold.
    ///
    /// # Errors
    /// An [`ImagesError`] that names the file.
    pub fn read_idx(images: impl AsRef<Path>, labels: impl AsRef<Path>) -> Result<Self, ImagesError> {
        let (images, labels) = (images.as_ref(), labels.as_ref());
        Self::from_idx(&load(images)?, &load(labels)?, images, labels)
    }

    /// Reads the bytes of two files as [`ImageSet::read_idx`] does; the names stand for them in errors.
    ///
    /// # Errors
    /// As [`ImageSet::read_idx`].
    pub fn parse_idx(pixels: &[u8], classes: &[u8], images: &str, labels: &str) -> Result<Self, ImagesError> {
        Self::from_idx(pixels, classes, Path::new(images), Path::new(labels))
    }

    fn from_idx(pixels: &[u8], classes: &[u8], images: &Path, labels: &Path) -> Result<Self, ImagesError> {
        let (sizes, pixels) = idx::parse(pixels).map_err(|p| ImagesError::new(images, None, p))?;
        let (counts, classes) = idx::parse(classes).map_err(|p| ImagesError::new(labels, None, p))?;
        let [count] = counts[..] else {
            return Err(ImagesError::new(labels, None, ImagesProblem::Dimensions { found: counts.len(), needed: "1" }));
        };
        if sizes.len() < 2 {
            let problem = ImagesProblem::Dimensions { found: sizes.len(), needed: "2 or more" };
            return Err(ImagesError::new(images, None, problem));
        }
        if count != sizes[0] {
            let problem = ImagesProblem::LabelCount { labels: count, images: sizes[0] };
            return Err(ImagesError::new(labels, None, problem));
        }
        // The product of the sizes is the length of the data, which the parser has compared.
        let pixels_per_image = pixels.len().checked_div(count).unwrap_or(0);
        let labels = classes.iter().map(|&c| u32::from(c)).collect();
        Self::new(labels, pixels.to_vec(), pixels_per_image)
            .ok_or_else(|| ImagesError::new(images, None, ImagesProblem::NoImages))
    }
}
