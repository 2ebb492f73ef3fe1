//! Ranges of images.

use super::CliResult;
use crate::format::images::ImageSet;
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

/// A range of images; the end is open where none is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRange {
    start: usize,
    end: Option<usize>,
}

impl ImageRange {
    /// The first `count` images.
    pub fn first(count: usize) -> Self {
        Self { start: 0, end: Some(count) }
    }

    /// The range in a set, which must hold it; `file` is the set's.
    pub fn within(self, images: &ImageSet, file: &Path) -> CliResult<Range<usize>> {
        let range = self.start..self.end.unwrap_or(images.len());
        if range.end > images.len() || range.is_empty() {
            let (start, end, len, file) = (range.start, range.end, images.len(), file.display());
            return Err(format!("--range {start}..{end}: {file} has {len} images, 0..{len}").into());
        }
        Ok(range)
    }
}

impl FromStr for ImageRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no range of images; write `A..B` for the images A to B−1, such as `0..100`");
        let (start, end) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let start = if start.is_empty() { 0 } else { number(start)? };
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        if end.is_some_and(|end| end <= start) {
            return Err(format!("the range `{text}` is empty; `A..B` means the images A to B−1"));
        }
        Ok(Self { start, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        let range = |text: &str| text.parse::<ImageRange>();
        assert_eq!(range("..").unwrap(), ImageRange { start: 0, end: None });
        assert_eq!(range("5..").unwrap(), ImageRange { start: 5, end: None });
        assert_eq!(range("..7").unwrap(), ImageRange::first(7));
        assert_eq!(range("5..7").unwrap(), ImageRange { start: 5, end: Some(7) });
        for bad in ["", "5", "7..5", "5..5", "a..b", "1...4", "-1..4", "0..99999999999999999999"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
