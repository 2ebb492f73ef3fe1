//! Certificates of a data set: one network, and for each image a folder with its query and the proof.

use super::certificate::{is_of, named};
use super::write_whole;
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::format::certificate::{write_network, write_query};
use std::fs::{create_dir_all, remove_dir_all, rename};
use std::io;
use std::path::{Path, PathBuf};

/// A folder of certificates: `network.txt`, and `image-N/query.txt`, `image-N/proof.txt`.
#[derive(Debug)]
pub struct ProofFolder(PathBuf);

impl ProofFolder {
    /// Makes the folder, or goes on with one that is about the same network.
    ///
    /// # Errors
    /// A folder of another network, or what the file system refuses, by name.
    pub fn begin(folder: &Path, network: &Network) -> io::Result<Self> {
        create_dir_all(folder).map_err(|e| named(folder, &e))?;
        let path = folder.join("network.txt");
        if !path.exists() {
            if !members(folder).is_empty() {
                return Err(io::Error::other(format!("{}: is missing; name another folder", path.display())));
            }
            write_whole(&path, &text(|out| write_network(network, out))?)?;
        } else if !is_of(&path, &|out| write_network(network, out))? {
            return Err(io::Error::other(format!("{}: is of another network; name another folder", path.display())));
        }
        Ok(Self(folder.to_owned()))
    }

    /// Writes the certificate of an image, whole or not at all.
    ///
    /// # Errors
    /// What the file system refuses, by name.
    pub fn write(&self, image: usize, query: &Query, proof: &str) -> io::Result<()> {
        let (begun, whole) = (self.0.join(format!(".image-{image}")), self.0.join(format!("image-{image}")));
        for old in [&begun, &whole] {
            if old.exists() {
                remove_dir_all(old).map_err(|e| named(old, &e))?;
            }
        }
        create_dir_all(&begun).map_err(|e| named(&begun, &e))?;
        write_whole(&begun.join("query.txt"), &text(|out| write_query(query, out))?)?;
        write_whole(&begun.join("proof.txt"), proof)?;
        rename(&begun, &whole).map_err(|e| named(&whole, &e))
    }
}

fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// The folders of images in a folder of certificates, by number.
#[must_use]
pub fn members(folder: &Path) -> Vec<(usize, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let image = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("image-")?.parse().ok();
    let mut found: Vec<(usize, PathBuf)> = entries.filter_map(|e| Some((image(&e.path())?, e.path()))).collect();
    found.sort();
    found
}
