//! The list of backends: a new one is its file and its line here.

use super::{Clarabel, Interior, LpBackend, MiniLp};

static BACKENDS: &[&dyn LpBackend] = &[
    &Interior::DEFAULT,
    &Clarabel::DEFAULT,
    &MiniLp,
    #[cfg(feature = "highs")]
    &super::Highs,
];

/// Every backend of this build, the default one first.
#[must_use]
pub fn backends() -> &'static [&'static dyn LpBackend] {
    BACKENDS
}

/// The backend called `name`, if this build has it.
#[must_use]
pub fn backend(name: &str) -> Option<&'static dyn LpBackend> {
    BACKENDS.iter().copied().find(|backend| backend.name() == name)
}
