//! What tells the content of one file from that of another.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// FNV-1a over bytes: tells one input from another, no more.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

/// In hexadecimal.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The [`Fingerprint`] of a file's content.
///
/// # Errors
/// The file system's, with the file's name.
pub fn content_hash(path: &Path) -> io::Result<String> {
    let hash = || {
        let mut file = Fingerprinted::new(File::open(path)?);
        io::copy(&mut file, &mut io::sink())?;
        Ok(file.fingerprint.to_string())
    };
    hash().map_err(|e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display())))
}

/// A reader that takes the [`Fingerprint`] of all that is read through it.
pub(super) struct Fingerprinted<R> {
    source: R,
    /// Of what has been read.
    pub fingerprint: Fingerprint,
}

impl<R> Fingerprinted<R> {
    pub fn new(source: R) -> Self {
        Self { source, fingerprint: Fingerprint::default() }
    }
}

impl<R: Read> Read for Fingerprinted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.fingerprint.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_reference() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        for (content, hash) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(content_hash(&path).unwrap(), hash);
        }
    }
}
