//! Certificates of signum networks as files: `case-0.opb` and `case-0.pbp`, one pair per case.

use crate::exact::signum::Certificate;
use std::io;
use std::path::{Path, PathBuf};

fn file(folder: &Path, case: usize, extension: &str) -> std::path::PathBuf {
    folder.join(format!("case-{case}.{extension}"))
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The files of certificates in a folder, by their names, however many there are.
#[must_use]
pub fn certificates_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_certificate = |path: &PathBuf| {
        let case = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.strip_prefix("case-"));
        let is_case = case.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        is_case && path.extension().is_some_and(|e| e == "opb" || e == "pbp")
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
    std::fs::create_dir_all(folder).map_err(|e| named(folder, &e))?;
    for old in certificates_in(folder) {
        std::fs::remove_file(&old).map_err(|e| named(&old, &e))?;
    }
    for (i, certificate) in certificates.iter().enumerate() {
        for (extension, bytes) in [("opb", certificate.opb.as_bytes()), ("pbp", &certificate.proof[..])] {
            let path = file(folder, i, extension);
            std::fs::write(&path, bytes).map_err(|e| named(&path, &e))?;
        }
    }
    Ok(())
}

/// Reads what [`write_certificates`] wrote.
///
/// # Errors
/// A failure to read, with the file's name; a formula without its proof.
pub fn read_certificates(folder: &Path) -> io::Result<Vec<Certificate>> {
    let mut certificates = Vec::new();
    while file(folder, certificates.len(), "opb").exists() {
        let i = certificates.len();
        let (opb, proof) = (file(folder, i, "opb"), file(folder, i, "pbp"));
        certificates.push(Certificate {
            opb: std::fs::read_to_string(&opb).map_err(|e| named(&opb, &e))?,
            proof: std::fs::read(&proof).map_err(|e| named(&proof, &e))?,
        });
    }
    Ok(certificates)
}
