//! The public networks and answers that lie beside the checkout, and how to skip without them.

use std::path::PathBuf;

/// The folder with networks, queries and answers, if `ABSINT_DATA` names it.
pub fn data(of: &str) -> Option<PathBuf> {
    match std::env::var_os("ABSINT_DATA") {
        Some(folder) => Some(folder.into()),
        None => {
            println!("skipped: {of} needs the data folder that the variable ABSINT_DATA names");
            None
        }
    }
}

/// A folder of it, if it is there.
pub fn folder(of: &str, name: &str) -> Option<PathBuf> {
    let folder = data(of)?.join(name);
    if !folder.is_dir() {
        println!("skipped: {of} needs the folder {name} of the data");
        return None;
    }
    Some(folder)
}
