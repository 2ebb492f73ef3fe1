//! What a command may write to: never what it reads, and nothing that is there already unless it is told to.

use super::CliResult;
use crate::report::try_whole;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct OutputArgs {
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
}

/// A file that the option of a command names to be written.
pub type Output<'a> = (&'a str, PathBuf);

impl OutputArgs {
    /// Refuses files that must not be written, before any work is done: the command's inputs, what is no file, what
    /// two options name, and without --force what is there already and not empty.
    pub fn check(&self, outputs: &[Output], inputs: &[&Path]) -> CliResult<()> {
        for (i, (option, path)) in outputs.iter().enumerate() {
            let fail = |what: &str| Err(format!("{option}: {}: {what}", path.display()).into());
            if outputs[..i].iter().any(|(_, other)| other == path) {
                return fail("is named twice; name another file");
            }
            match std::fs::metadata(path) {
                Err(_) => {}
                Ok(found) if !found.is_file() => return fail("is no file; name one"),
                Ok(_) if inputs.iter().any(|input| is_same(input, path)) => {
                    return fail("is an input of this command; name another file");
                }
                Ok(found) if found.len() > 0 && !self.force => {
                    return fail("exists; add --force to replace it, or name another file");
                }
                Ok(_) => {}
            }
            try_whole(path)?;
        }
        Ok(())
    }

    /// Refuses a folder that holds certificates of another run without --force.
    pub fn check_folder(&self, option: &str, folder: &Path, old: &[PathBuf]) -> CliResult<()> {
        let name = folder.display();
        if folder.exists() && !folder.is_dir() {
            return Err(format!("{option}: {name}: is no folder; name one").into());
        }
        match old.first() {
            Some(file) if !self.force => {
                let file = file.display();
                Err(format!(
                    "{option}: {file}: exists; add --force to remove older certificates, or name another folder"
                )
                .into())
            }
            _ => Ok(()),
        }
    }
}

/// Whether two paths lead to one file.
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
