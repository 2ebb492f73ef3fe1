//! The half in Rust of the Python package `absint`: arrays and names in, the library's work, arrays and names out.
//!
//! What users import, and where everything is explained, is `python/absint/`; this module is only called from there.
//! Nothing is computed here: whatever decides is the library's, as on the command line.

mod attack;
mod campaign;
mod certificate;
mod compare;
mod error;
mod network;
mod neurons;
mod options;
mod query;
mod region;
mod result;
mod run;

/// The extension module.
#[pyo3::pymodule]
mod _absint {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::attack::{attack, radius};
    #[pymodule_export]
    use crate::campaign::{Campaign, Task, read_images, tally};
    #[pymodule_export]
    use crate::certificate::{check, refuse_certificates};
    #[pymodule_export]
    use crate::compare::{Comparison, compare};
    #[pymodule_export]
    use crate::error::{AbsintError, InternalError};
    #[pymodule_export]
    use crate::network::Network;
    #[pymodule_export]
    use crate::neurons::solve_programs;
    #[pymodule_export]
    use crate::query::Query;
    #[pymodule_export]
    use crate::region::Region;
    #[pymodule_export]
    use crate::result::{Result, bounds, verify};

    /// Runs the command line; the first argument is the program's name.
    #[pyfunction]
    fn run_cli(py: Python<'_>, arguments: Vec<std::ffi::OsString>) -> i32 {
        py.detach(|| absint::cli::run(arguments)) as i32
    }

    /// The names of all methods, each with what it does.
    #[pyfunction]
    fn methods() -> Vec<(&'static str, &'static str)> {
        absint::analyze::Method::ALL.map(|method| (method.row().name, method.row().help)).into()
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
