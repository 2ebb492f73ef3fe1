//! The program called in a folder with networks and a query of version 2.0.
#![allow(dead_code)]

use std::fs;
use std::process::{Command, Output};

/// A folder with networks and a query, and the program called in it.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new(query: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::write(folder.0.path().join("q.vnnlib"), format!("(vnnlib-version <2.0>)\n{query}")).unwrap();
        folder
    }

    pub fn with(self, name: &str, model: Vec<u8>) -> Self {
        fs::write(self.0.path().join(name), model).unwrap();
        self
    }

    pub fn run(&self, arguments: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_absint"));
        command.current_dir(self.0.path()).args(arguments.split_whitespace());
        command.output().unwrap()
    }

    /// The lines of the answer to `verify q.vnnlib` with these arguments.
    pub fn answer(&self, arguments: &str) -> Vec<String> {
        let output = self.run(&format!("verify q.vnnlib {arguments}"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    pub fn refused(&self, arguments: &str) -> String {
        let output = self.run(&format!("verify q.vnnlib {arguments}"));
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b"unknown\n"[..]));
        String::from_utf8(output.stderr).unwrap()
    }
}
