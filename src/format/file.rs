//! The bytes of a file, whether it is compressed or not, never more of them than a format can need.

use super::fingerprint::{Fingerprint, Fingerprinted};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// How a gzip file begins; no format read here begins so (RFC 1952, §2.3.1).
const GZIP: [u8; 2] = [0x1F, 0x8B];
/// Compressed data may unpack to so many bytes, and to so many more for each of their own: what networks, images and
/// queries come to stays far below.
const UNPACKED: u64 = 1 << 26;
const RATIO: u64 = 32;
/// How much is unpacked at once.
const BLOCK: u64 = 1 << 20;

/// The content of a file, decompressed if it is in the gzip format, whatever its name.
///
/// `None` when there are more than `limit` bytes: reading stops there, so that a small file that
/// declares or unpacks to a huge one costs no more memory than the format allows.
///
/// # Errors
/// The file system's; a damaged or truncated gzip stream is one of them.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    content(&mut BufReader::new(File::open(path)?), limit)
}

/// As [`read`], with the fingerprint of the file as it lies there: what is read but once may be a pipe.
///
/// # Errors
/// As [`read`].
pub(super) fn read_fingerprinted(path: &Path, limit: u64) -> io::Result<(Option<Vec<u8>>, Fingerprint)> {
    let mut file = BufReader::new(Fingerprinted::new(File::open(path)?));
    let content = content(&mut file, limit)?;
    Ok((content, file.into_inner().fingerprint))
}

fn content(file: &mut impl BufRead, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if file.fill_buf()?.starts_with(&GZIP) {
        unpack(file, limit, &mut bytes)?;
    } else {
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// What compressed data hold, as far as they are little more than `limit` bytes and in proportion to the file.
fn unpack(file: &mut impl BufRead, limit: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let damaged = |e: io::Error| io::Error::new(e.kind(), format!("damaged gzip data: {e}"));
    let mut decoder = MultiGzDecoder::new(Counted { source: file, count: 0 });
    loop {
        let before = bytes.len();
        (&mut decoder).take(BLOCK).read_to_end(bytes).map_err(damaged)?;
        let length = bytes.len() as u64;
        if bytes.len() == before || length > limit {
            return Ok(());
        }
        if length > UNPACKED + RATIO * decoder.get_ref().count {
            let what = format!("its gzip data unpack to more than {RATIO} times their size; unpack them before");
            return Err(io::Error::other(what));
        }
    }
}

/// A reader that counts what is read through it.
struct Counted<R> {
    source: R,
    count: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count += count as u64;
        self.source.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_file_reads_as_the_plain_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let plain: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(i) % 251) as u8).collect();
        let two_members = [gzipped(&plain[..30_000]), gzipped(&plain[30_000..])].concat();
        for content in [plain.clone(), gzipped(&plain), two_members] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(read(&path, 100_000).unwrap().unwrap(), plain);
            assert_eq!(read(&path, 99_999).unwrap(), None);
            let (read, fingerprint) = read_fingerprinted(&path, 100_000).unwrap();
            assert_eq!(read.unwrap(), plain);
            let mut of_file = Fingerprint::default();
            of_file.update(&content);
            assert_eq!(fingerprint.to_string(), of_file.to_string());
        }
        std::fs::write(&path, []).unwrap();
        assert!(read(&path, 0).unwrap().unwrap().is_empty());
    }

    #[test]
    fn a_file_that_unpacks_to_a_huge_one_stops_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        std::fs::write(&path, gzipped(&vec![0; 50 << 20])).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
        assert_eq!(read(&path, 1 << 20).unwrap(), None);
    }

    #[test]
    fn a_file_that_unpacks_to_far_more_than_its_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.gz");
        std::fs::write(&path, gzipped(&vec![b'0'; 100 << 20])).unwrap();
        let refused = read(&path, 1 << 32).unwrap_err().to_string();
        assert!(refused.contains("unpack"), "{refused}");
        std::fs::write(&path, gzipped(&vec![b'0'; 60 << 20])).unwrap();
        assert_eq!(read(&path, 1 << 32).unwrap().unwrap().len(), 60 << 20);
    }

    #[test]
    fn damaged_gzip_data_is_an_error_wherever_it_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("torn.gz");
        let whole = gzipped(b"label,px0\n3,17\n");
        for length in 2..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path, 1000).unwrap_err().to_string().contains("gzip"), "{length}");
        }
    }
}
