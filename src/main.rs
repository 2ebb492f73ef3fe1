//! The command line of absint.

use std::process::ExitCode;

fn main() -> ExitCode {
    absint::cli::run(std::env::args_os()).into()
}
