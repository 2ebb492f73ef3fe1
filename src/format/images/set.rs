//! Images of equal size in memory, and the orders in which their values may stand.

use crate::domains::num::Rational;
use crate::format::fingerprint::Fingerprint;

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

impl ImageSet {
    /// Images from their parts, `pixels` image after image; `None` unless there are `pixels_per_image`
    /// (at least one) of them for each label.
    #[must_use]
    pub fn new(labels: Vec<u32>, pixels: Vec<u8>, pixels_per_image: usize) -> Option<Self> {
        let fits = pixels_per_image > 0 && labels.len().checked_mul(pixels_per_image) == Some(pixels.len());
        fits.then_some(Self { labels, pixels, pixels_per_image })
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

    /// Tells these labels and pixels from others, however the file writes them.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for (label, pixels) in (0..self.len()).filter_map(|i| self.bytes(i)) {
            fingerprint.update(&(label as u64).to_le_bytes());
            fingerprint.update(pixels);
        }
        fingerprint
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
