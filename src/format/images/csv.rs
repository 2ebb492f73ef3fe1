//! Lines `label,px,px,…`.

use super::error::ImagesProblem;
use super::set::ImageSet;

const LABEL: &str = "expected a class number";
const PIXEL: &str = "expected an integer from 0 to 255";

/// Lines `label,px,px,…`; errors with the line, from 1.
pub(super) fn parse(text: &[u8]) -> Result<ImageSet, (usize, ImagesProblem)> {
    let text = text.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(text);
    let (mut labels, mut pixels, mut per_image) = (Vec::new(), Vec::new(), None);
    let mut is_first = true;
    for (index, line) in text.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let fail = |problem| (index + 1, problem);
        let mut fields = line.split(|&b| b == b',').map(<[u8]>::trim_ascii);
        let first = fields.next().unwrap_or_default();
        let is_header = std::mem::take(&mut is_first) && !first.first().is_some_and(|b| b"0123456789-+.".contains(b));
        if is_header {
            continue;
        }
        labels.push(integer(first, u32::MAX).ok_or_else(|| fail(field(1, first, LABEL)))?);
        let before = pixels.len();
        for (i, text) in fields.enumerate() {
            let value = integer(text, 255).and_then(|v| u8::try_from(v).ok());
            pixels.push(value.ok_or_else(|| fail(field(i + 2, text, PIXEL)))?);
        }
        let found = pixels.len() - before;
        match *per_image.get_or_insert(found) {
            0 => return Err(fail(ImagesProblem::NoPixels)),
            expected if expected != found => return Err(fail(ImagesProblem::Ragged { found, expected })),
            _ => {}
        }
    }
    ImageSet::new(labels, pixels, per_image.unwrap_or(0)).ok_or((1, ImagesProblem::NoImages))
}

fn field(field: usize, text: &[u8], expected: &'static str) -> ImagesProblem {
    let text = String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
    ImagesProblem::Field { field, text, expected }
}

/// A number of digits alone, at most `largest`. Some tools write every value as a float: a fraction of
/// zeros is no fraction.
fn integer(text: &[u8], largest: u32) -> Option<u32> {
    let point = text.iter().position(|&b| b == b'.').unwrap_or(text.len());
    let (digits, fraction) = text.split_at(point);
    if digits.is_empty() || digits.len() > 10 || !fraction.iter().skip(1).all(|&b| b == b'0') {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |v, b| b.is_ascii_digit().then(|| v * 10 + u64::from(b - b'0')))?;
    u32::try_from(value).ok().filter(|&v| v <= largest)
}
