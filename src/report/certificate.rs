//! Certificates as files: of signum networks `case-0.opb` and `case-0.pbp`, one pair per case; of others `network.txt`,
//! `query.txt` and `proof.txt`.

use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::exact::signum::Certificate;
use crate::format::certificate::{write_network, write_query};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The files of a certificate over real inputs.
const FILES: [&str; 3] = ["network.txt", "query.txt", "proof.txt"];

fn file(folder: &Path, case: usize, extension: &str) -> std::path::PathBuf {
    folder.join(format!("case-{case}.{extension}"))
}

pub(super) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The files of certificates in a folder, by their names, however many there are.
#[must_use]
pub fn certificates_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_certificate = |path: &PathBuf| {
        let case = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix("case-"));
        let is_case = case.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        let is_named = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| FILES.contains(&name));
        is_named || is_case && path.extension().is_some_and(|e| e == "opb" || e == "pbp")
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_certificate).collect();
    found.sort();
    found
}

/// Writes the certificates into a folder, which is made if it does not exist; older ones in it are removed, so that no
/// case of theirs passes for one of these.
///
/// # Errors
/// A failure to write, with the file's name.
pub fn write_certificates(folder: &Path, certificates: &[Certificate]) -> io::Result<()> {
    clear(folder)?;
    for (i, certificate) in certificates.iter().enumerate() {
        for (extension, bytes) in [("opb", certificate.opb.as_bytes()), ("pbp", &certificate.proof[..])] {
            let path = file(folder, i, extension);
            std::fs::write(&path, bytes).map_err(|e| named(&path, &e))?;
        }
    }
    Ok(())
}

/// Makes the folder, without certificates in it.
fn clear(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| named(folder, &e))?;
    for old in certificates_in(folder) {
        std::fs::remove_file(&old).map_err(|e| named(&old, &e))?;
    }
    Ok(())
}

/// Writes the network, the query and the proof into a folder, which is made if it does not exist; certificates in it are
/// removed.
///
/// # Errors
/// A failure to write, with the file's name.
pub fn write_refutation(folder: &Path, network: &Network, query: &Query, proof: &str) -> io::Result<()> {
    clear(folder)?;
    let write = |name: &str, content: &dyn Fn(&mut BufWriter<File>) -> io::Result<()>| {
        let path = folder.join(name);
        let mut file = BufWriter::new(File::create(&path).map_err(|e| named(&path, &e))?);
        content(&mut file).and_then(|()| file.flush()).map_err(|e| named(&path, &e))
    };
    write(FILES[0], &|out| write_network(network, out))?;
    write(FILES[1], &|out| write_query(query, out))?;
    write(FILES[2], &|out| out.write_all(proof.as_bytes()))
}

fn open(path: &Path) -> io::Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|e| named(path, &e))
}

/// The network of the certificate over real inputs in a folder; `None` where there is no such certificate. Images of a data
/// set share the network of the folder around theirs.
///
/// # Errors
/// A file that is missing or cannot be opened, with its name.
pub fn open_network(folder: &Path) -> io::Result<Option<BufReader<File>>> {
    let is_there = FILES.iter().any(|name| folder.join(name).exists());
    is_there.then(|| open(&network_of(folder))).transpose()
}

/// Its query and its proof.
///
/// # Errors
/// A file that is missing or cannot be opened, with its name.
pub(super) fn open_refutation(folder: &Path) -> io::Result<[BufReader<File>; 2]> {
    Ok([open(&folder.join(FILES[1]))?, open(&folder.join(FILES[2]))?])
}

fn network_of(folder: &Path) -> PathBuf {
    let (own, shared) = (folder.join(FILES[0]), folder.join("..").join(FILES[0]));
    if !own.exists() && shared.exists() { shared } else { own }
}

/// Whether a folder's certificates are about this network.
///
/// # Errors
/// A file that cannot be read, with its name.
pub fn is_about(folder: &Path, network: &Network) -> io::Result<bool> {
    is_of(&network_of(folder), &|out| write_network(network, out))
}

/// Whether a folder's certificate is about this query.
///
/// # Errors
/// A file that cannot be read, with its name.
pub fn asks(folder: &Path, query: &Query) -> io::Result<bool> {
    is_of(&folder.join(FILES[1]), &|out| write_query(query, out))
}

/// Whether a file holds just what is written.
pub(super) fn is_of(path: &Path, content: &dyn Fn(&mut BufWriter<Compared>) -> io::Result<()>) -> io::Result<bool> {
    let compared = || {
        let mut out = BufWriter::new(Compared { file: BufReader::new(File::open(path)?), is_same: true });
        content(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.ends_here()
    };
    compared().map_err(|e| named(path, &e))
}

/// A writer that compares what is written with a file.
pub(super) struct Compared {
    file: BufReader<File>,
    is_same: bool,
}

impl Compared {
    /// Whether the file says what was written, and no more.
    fn ends_here(mut self) -> io::Result<bool> {
        Ok(self.is_same && self.file.read(&mut [0])? == 0)
    }
}

impl Write for Compared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut found = vec![0; if self.is_same { bytes.len() } else { 0 }];
        match self.file.read_exact(&mut found) {
            Ok(()) => self.is_same &= found == bytes,
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => self.is_same = false,
            Err(e) => return Err(e),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many cases of a signum network [`write_certificates`] wrote.
pub(super) fn formulas_in(folder: &Path) -> usize {
    (0..).take_while(|&case| file(folder, case, "opb").exists()).count()
}

/// The formula of a case, and its proof, which is read as it is checked.
///
/// # Errors
/// A failure to read, with the file's name.
pub(super) fn open_formula(folder: &Path, case: usize) -> io::Result<(String, BufReader<File>)> {
    let opb = file(folder, case, "opb");
    let formula = std::fs::read_to_string(&opb).map_err(|e| named(&opb, &e))?;
    Ok((formula, open(&file(folder, case, "pbp"))?))
}
