//! Certificates of a data set: one network, and for each image a folder with its query and the proof; of signum networks
//! with formulas and proofs, as `analyze` writes them.

use super::certificate::{Compared, is_of, named, write_certificates};
use super::write_whole;
use crate::analyze::Analysis;
use crate::domains::network::Network;
use crate::domains::query::Query;
use crate::format::certificate::{write_network, write_query};
use serde_json::Value;
use std::fs::{create_dir_all, remove_dir_all, rename};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A folder of certificates: `run.json` says what run they are of; `network.txt`, and for each image that is verified a
/// folder `image-N` with its certificate, or with `none.txt`, which says why there is none.
#[derive(Debug)]
pub struct ProofFolder {
    folder: PathBuf,
    run: String,
}

const RUN: &str = "run.json";
const NONE: &str = "none.txt";

impl ProofFolder {
    /// The folder of a run, which is new or has certificates of the same run and network. Nothing is written yet.
    ///
    /// # Errors
    /// A folder of another run, or what the file system refuses, by name.
    pub fn of(folder: &Path, network: &Network, run: &Value) -> io::Result<Self> {
        let this = Self { folder: folder.to_owned(), run: format!("{run}\n") };
        let admits = |name: &str, other: &str, content: &dyn Fn(&mut BufWriter<Compared>) -> io::Result<()>| {
            let path = folder.join(name);
            let refused = |what: &str| io::Error::other(format!("{}: {what}; name another folder", path.display()));
            match path.exists() {
                true if is_of(&path, content)? => Ok(()),
                true => Err(refused(other)),
                false if members(folder).is_empty() => Ok(()),
                false => Err(refused("is missing")),
            }
        };
        admits("network.txt", "is of another network", &|out| write_network(network, out))?;
        admits(RUN, "is of a run with another radius, other images or options", &|out| {
            out.write_all(this.run.as_bytes())
        })?;
        Ok(this)
    }

    /// Makes the folder, which is to have the certificates of these images already.
    ///
    /// # Errors
    /// An image whose certificate is missing, or what the file system refuses, by name.
    pub fn begin(&self, network: &Network, mut done: impl Iterator<Item = usize>) -> io::Result<()> {
        let folder = &self.folder;
        if let Some(image) = done.find(|image| !folder.join(format!("image-{image}")).exists()) {
            let (name, mend) = (folder.display(), "name the folder of the run that is continued");
            return Err(io::Error::other(format!(
                "{name}: has no certificate of image {image}, which is done; {mend}"
            )));
        }
        create_dir_all(folder).map_err(|e| named(folder, &e))?;
        if !folder.join(RUN).exists() {
            write_whole(&folder.join(RUN), &self.run)?;
        }
        let path = folder.join("network.txt");
        if path.exists() { Ok(()) } else { write_whole(&path, &text(|out| write_network(network, out))?) }
    }

    /// Writes the certificate of an image that is verified, or why there is none, which it returns; whole or not at all: an
    /// older one stays until then.
    ///
    /// # Errors
    /// What the file system refuses, by name.
    pub fn write(
        &self,
        image: usize,
        (network, query): (&Network, &Query),
        analysis: &Analysis,
    ) -> io::Result<Option<&'static str>> {
        let [begun, old, whole] = [".new-", ".old-", ""].map(|kind| self.folder.join(format!("{kind}image-{image}")));
        let remove = |path: &Path| if path.exists() { remove_dir_all(path) } else { Ok(()) };
        remove(&begun).map_err(|e| named(&begun, &e))?;
        create_dir_all(&begun).map_err(|e| named(&begun, &e))?;
        let missing = analysis.uncertified(network, query);
        match (&analysis.proof, missing) {
            (_, Some(why)) => write_whole(&begun.join(NONE), &format!("{why}\n"))?,
            (None, None) => write_certificates(&begun, &analysis.certificates)?,
            (Some(proof), None) => {
                write_whole(&begun.join("query.txt"), &text(|out| write_query(query, out))?)?;
                write_whole(&begun.join("proof.txt"), proof)?;
            }
        }
        if whole.exists() {
            remove(&old).and_then(|()| rename(&whole, &old)).map_err(|e| named(&old, &e))?;
        }
        rename(&begun, &whole).map_err(|e| {
            let _ = rename(&old, &whole);
            named(&whole, &e)
        })?;
        remove(&old).map_err(|e| named(&old, &e))?;
        Ok(missing)
    }
}

/// Why an image that is verified has no certificate in its folder, where it has none.
#[must_use]
pub fn why_none(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join(NONE)).ok().map(|why| why.trim_end().to_owned())
}

/// Whether `certify --proof` made the folder.
#[must_use]
pub fn is_of_images(folder: &Path) -> bool {
    folder.join(RUN).exists()
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
