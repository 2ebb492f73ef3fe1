//! Labelled images: CSV `label,px…` and MNIST's idx pairs. Pixel value `k` (0–255) is the rational
//! `k/255`.

mod csv;
mod error;
mod idx;

pub use error::{ImagesError, ImagesProblem};

use super::file;
use crate::domains::num::Rational;
use std::path::Path;

/// The longest file that is read, in bytes.
const LONGEST_FILE: u64 = 1 << 32;

/// The order of channels, rows and columns in which an image is written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel by channel, each row by row.
    Chw,
    /// Row by row, the channels of a pixel together.
    Hwc,
}

impl std::str::FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "chw" => Ok(Self::Chw),
            "hwc" => Ok(Self::Hwc),
            _ => Err(format!("`{text}` is no layout; `chw` or `hwc`")),
        }
    }
}

/// One image with its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The class that the file gives.
    pub label: usize,
    /// The values `k/255` (or ±1), in the order of the set.
    pub pixels: Vec<Rational>,
}

/// Images of equal size, held as bytes; rationals are made one image at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    labels: Vec<u32>,
    pixels: Vec<u8>,
    pixels_per_image: usize,
}

/// Reads a CSV file, or an idx file of images together with the labels beside it: those of
/// `t10k-images.idx3-ubyte` are in `t10k-labels.idx1-ubyte`.
///
/// # Errors
/// An [`ImagesError`] that names the file and, in a CSV file, the line.
pub fn read(path: impl AsRef<Path>) -> Result<ImageSet, ImagesError> {
    let path = path.as_ref();
    let start = file::first_bytes(path, 4);
    let start = start.map_err(|e| ImagesError::new(path, None, ImagesProblem::Unreadable(e)))?;
    if start.starts_with(&[0, 0]) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let labels = name.replace("images", "labels").replace("idx3", "idx1");
        if labels == name {
            return Err(ImagesError::new(path, None, ImagesProblem::NoLabelFile));
        }
        return ImageSet::read_idx(path, path.with_file_name(labels));
    }
    ImageSet::read_csv(path)
}

/// All bytes of a file of sensible size.
fn load(path: &Path) -> Result<Vec<u8>, ImagesError> {
    let fail = |problem| ImagesError::new(path, None, problem);
    file::read(path, LONGEST_FILE).map_err(|e| fail(ImagesProblem::Unreadable(e)))?.ok_or(fail(ImagesProblem::TooLong))
}

impl ImageSet {
    /// Images from their parts, `pixels` image after image; `None` unless there are `pixels_per_image`
    /// (at least one) of them for each label.
    #[must_use]
    pub fn new(labels: Vec<u32>, pixels: Vec<u8>, pixels_per_image: usize) -> Option<Self> {
        let fits = pixels_per_image > 0 && labels.len().checked_mul(pixels_per_image) == Some(pixels.len());
        fits.then_some(Self { labels, pixels, pixels_per_image })
    }

    /// Reads lines `label,px,px,…` of integers, pixels in 0–255. A first line that does not begin with a
    /// number is a header; empty lines are skipped.
    ///
    /// # Errors
    /// An [`ImagesError`] with file and line.
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self, ImagesError> {
        let path = path.as_ref();
        csv::parse(&load(path)?).map_err(|(line, problem)| ImagesError::new(path, Some(line), problem))
    }

    /// Reads a text as [`ImageSet::read_csv`] does; `name` stands for the file in errors.
    ///
    /// # Errors
    /// An [`ImagesError`] with the line.
    pub fn parse_csv(text: &[u8], name: &str) -> Result<Self, ImagesError> {
        csv::parse(text).map_err(|(line, problem)| ImagesError::new(Path::new(name), Some(line), problem))
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

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Values per image, all channels.
    #[must_use]
    pub fn pixels_per_image(&self) -> usize {
        self.pixels_per_image
    }

    /// The label and the bytes of image `i`.
    #[must_use]
    pub fn bytes(&self, i: usize) -> Option<(usize, &[u8])> {
        let label = *self.labels.get(i)? as usize;
        Some((label, &self.pixels[i * self.pixels_per_image..][..self.pixels_per_image]))
    }

    /// Image `i`.
    #[must_use]
    pub fn get(&self, i: usize) -> Option<Image> {
        let (label, bytes) = self.bytes(i)?;
        let value = |&k: &u8| Rational::from_parts(k.into(), 255u8.into());
        Some(Image { label, pixels: bytes.iter().map(value).collect() })
    }

    /// Image `i` in two values: +1 for bytes from `threshold` on, −1 below.
    #[must_use]
    pub fn get_binarized(&self, i: usize, threshold: u8) -> Option<Image> {
        let (label, bytes) = self.bytes(i)?;
        let value = |&k: &u8| if k >= threshold { Rational::ONE } else { -Rational::ONE };
        Some(Image { label, pixels: bytes.iter().map(value).collect() })
    }

    /// The same images in another order of their values, for a network input of `[channels, height,
    /// width]`; `None` when the images are not of that size.
    #[must_use]
    pub fn rearranged(mut self, from: Layout, to: Layout, [channels, height, width]: [usize; 3]) -> Option<Self> {
        let area = height.checked_mul(width)?;
        if channels.checked_mul(area)? != self.pixels_per_image {
            return None;
        }
        if from != to {
            for image in self.pixels.chunks_exact_mut(self.pixels_per_image) {
                let old = image.to_vec();
                for (channel, place) in (0..channels).flat_map(|c| (0..area).map(move |p| (c, p))) {
                    let (chw, hwc) = (channel * area + place, place * channels + channel);
                    match to {
                        Layout::Chw => image[chw] = old[hwc],
                        Layout::Hwc => image[hwc] = old[chw],
                    }
                }
            }
        }
        Some(self)
    }
}
