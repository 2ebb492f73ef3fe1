//! Files that are written whole or not at all.

use std::fs::{File, OpenOptions, remove_file, rename};
use std::io::{Error, ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::process::id;

/// How many names beside a file are tried for what is to become it.
const NAMES: usize = 100;

/// Writes a file that appears whole or not at all; errors name it. An older one of that name stays until then.
pub fn write_whole(path: &Path, content: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
    through_partial(path, |mut file, partial| {
        file.write_all(content.as_ref())?;
        file.sync_all()?;
        rename(partial, path)
    })
}

/// Whether [`write_whole`] could write a file of that name: an error names it, and nothing is changed.
pub fn try_whole(path: &Path) -> Result<()> {
    through_partial(path, |_, partial| remove_file(partial))
}

/// Makes a file of another name beside `path` and does something with it; after an error it is gone.
fn through_partial(path: &Path, then: impl FnOnce(File, &Path) -> Result<()>) -> Result<()> {
    let named = |e: Error| Error::new(e.kind(), format!("{}: {e}", path.display()));
    let (file, partial) = partial(path).map_err(named)?;
    then(file, &partial).map_err(|e| {
        let _ = remove_file(&partial);
        named(e)
    })
}

/// A new file beside `path`, which is nobody else's: what has the name already, a link included, is never opened.
fn partial(path: &Path) -> Result<(File, PathBuf)> {
    let mut last = Error::from(ErrorKind::AlreadyExists);
    for number in 0..NAMES {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}-{number}.partial", id()));
        match OpenOptions::new().write(true).create_new(true).open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => last = e,
            Err(e) => return Err(e),
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let entries = || fs::read_dir(folder.path()).unwrap().count();
        try_whole(&path).unwrap();
        assert_eq!(entries(), 0);
        write_whole(&path, "old").unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), entries()), ("new", 1));
        // A folder cannot be replaced: what was begun is removed.
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("folder/file"), "").unwrap();
        let error = write_whole(&folder.path().join("folder"), "new").unwrap_err().to_string();
        assert!(error.contains("folder: ") && entries() == 2, "{error}");
    }

    #[test]
    fn writers_side_by_side_do_not_break_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let texts = ["a".repeat(100_000), "b".repeat(100_000)];
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| (0..20).for_each(|_| write_whole(&path, text).unwrap()));
            }
        });
        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("out"), folder.path().join("precious"));
        fs::write(&precious, "kept").unwrap();
        std::os::unix::fs::symlink(&precious, folder.path().join(format!("out.{}-0.partial", id()))).unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&precious).unwrap(), "kept");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
