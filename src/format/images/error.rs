//! Why a file of images is refused.

use std::path::Path;
use thiserror::Error;

/// Why a file of images is refused.
#[derive(Debug, Error)]
#[error("{file}{}: {problem}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ImagesError {
    /// The file.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    #[source]
    pub problem: ImagesProblem,
}

impl ImagesError {
    pub(super) fn new(file: &Path, line: Option<usize>, problem: ImagesProblem) -> Self {
        Self { file: file.display().to_string(), line, problem }
    }
}

/// What may be wrong with a file of images.
#[derive(Debug, Error)]
pub enum ImagesProblem {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// The file exceeds the limit.
    #[error("is longer than 4 GiB; split it")]
    TooLong,
    /// No image at all.
    #[error("holds no images")]
    NoImages,
    /// A field of a CSV line that is no integer of the range.
    #[error("field {field} is `{text}`, {expected}")]
    Field {
        /// The column, from 1.
        field: usize,
        /// What is there.
        text: String,
        /// What is needed.
        expected: &'static str,
    },
    /// A line with another number of pixels than the first.
    #[error("{found} pixels where the first image has {expected}")]
    Ragged {
        /// Pixels of this line.
        found: usize,
        /// Pixels of the first.
        expected: usize,
    },
    /// A label without pixels.
    #[error("a label without pixels; lines are `label,px,px,…`")]
    NoPixels,
    /// Not the start of an idx file of unsigned bytes.
    #[error("not an idx file of unsigned bytes (it must start with 00 00 08 and the number of dimensions)")]
    Magic,
    /// The file is shorter or longer than its header says.
    #[error("the header promises {promised} bytes of data, the file has {found}; is it cut off?")]
    Length {
        /// The product of the sizes in the header.
        promised: u128,
        /// What follows the header.
        found: usize,
    },
    /// An idx file with the wrong number of dimensions.
    #[error("has {found} dimensions where {needed} are needed; are images and labels exchanged?")]
    Dimensions {
        /// Dimensions found.
        found: usize,
        /// What is needed.
        needed: &'static str,
    },
    /// Images and labels that do not match.
    #[error("holds {labels} labels for {images} images")]
    LabelCount {
        /// Labels.
        labels: usize,
        /// Images.
        images: usize,
    },
    /// No label file can be guessed from the name.
    #[error("is an idx file whose name does not contain `images`, so its label file cannot be found; name both")]
    NoLabelFile,
}
