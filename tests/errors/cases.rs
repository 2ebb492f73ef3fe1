//! What a case of an error is: files, a command line, and what the message must name.

use std::path::Path;

/// What a case keeps alive while the program runs.
pub type Held = Box<dyn std::any::Any>;

/// One way to meet an error.
pub struct Case {
    /// The kind, as `kinds` spells it.
    pub kind: &'static str,
    /// The files in the folder where the program runs.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// The command line.
    pub arguments: Vec<&'static str>,
    /// A command line that runs before, and succeeds.
    pub before: Option<&'static str>,
    /// What the message must name: file, node, line and column, the mend.
    pub names: Vec<&'static str>,
    /// The kind of the error that the library gives for the files.
    pub kind_of: Option<fn(&Path) -> &'static str>,
    /// What else is going on.
    pub hold: Option<fn(&Path) -> Held>,
}

impl Case {
    /// A case of files, a command line split at spaces, and words that its message must hold.
    pub fn new(kind: &'static str, arguments: &'static str, names: &[&'static str]) -> Self {
        let arguments = arguments.split(' ').collect();
        Self { kind, files: Vec::new(), arguments, before: None, names: names.to_vec(), kind_of: None, hold: None }
    }

    pub fn file(mut self, name: &'static str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((name, content.as_ref().to_vec()));
        self
    }

    pub fn after(mut self, before: &'static str) -> Self {
        self.before = Some(before);
        self
    }

    pub fn is(mut self, kind_of: fn(&Path) -> &'static str) -> Self {
        self.kind_of = Some(kind_of);
        self
    }

    /// As a user types it.
    pub fn command(&self) -> String {
        format!("absint {}", self.arguments.join(" "))
    }
}
