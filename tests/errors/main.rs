//! Every kind of error that a user can meet: each is made here, on the fly, and met through the program.
//!
//! `docs/errors.md` is what the program said. After a change of messages or cases write it anew:
//! `ABSINT_WRITE_DOCS=1 cargo test --test errors`.

#![allow(clippy::unwrap_used)]

mod cases;
mod images;
mod kinds;
mod onnx;
mod operators;
mod queries;
mod results;
mod signum;
mod usage;

use assert_cmd::Command;
use cases::Case;
use std::fmt::Write;
use std::path::Path;

/// All cases, by the section of the catalogue that they belong to.
fn sections() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("Networks (ONNX)", onnx::cases()),
        ("Queries: VNN-LIB", queries::vnnlib()),
        ("Queries: VNN-LIB 2.0", queries::vnnlib_2()),
        ("Queries: JSON", queries::json()),
        ("Queries that do not fit the network", queries::misfits()),
        ("Images", images::cases()),
        ("Files of results", results::cases()),
        ("Certificates", signum::cases()),
        ("Usage", usage::cases()),
    ]
}

/// Runs the program in a folder with the files of the case; its complaint, or what is wrong with it.
fn met(case: &Case, folder: &Path) -> Result<String, String> {
    for (name, content) in &case.files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let absint = || {
        let mut command = Command::cargo_bin("absint").unwrap();
        command.current_dir(folder).arg("-q");
        command
    };
    if let Some(before) = case.before {
        absint().args(before.split(' ')).assert().success();
    }
    let _held = case.hold.map(|hold| hold(folder));
    let kind = case.kind_of.map_or(case.kind, |kind| kind(folder));
    let output = absint().args(&case.arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let message = error.trim_end().strip_prefix("error: ").unwrap_or_default();
    // A hint with the usage may follow only where the command line itself is at fault.
    let is_one_line = message.lines().count() == 1 || case.kind == "usage.arguments";
    let missing: Vec<&str> = case.names.iter().copied().filter(|word| !message.contains(word)).collect();
    if output.status.code() == Some(2)
        && output.stdout.is_empty()
        && is_one_line
        && missing.is_empty()
        && kind == case.kind
    {
        let first: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
        return Ok(first.join(" "));
    }
    let status = output.status;
    Err(format!("{} ({}): {status}, kind {kind}, {missing:?} not named:\n{error}", case.kind, case.command()))
}

#[test]
fn every_error_is_one_line_that_names_the_place_and_the_catalogue_is_what_the_program_says() {
    let mut page = String::from(HEAD);
    let mut failures = Vec::new();
    for (title, cases) in sections() {
        write!(page, "\n## {title}\n").unwrap();
        let mut last = "";
        for case in cases {
            let folder = tempfile::tempdir().unwrap();
            let message = met(&case, folder.path()).unwrap_or_else(|failure| {
                failures.push(failure);
                String::new()
            });
            if case.kind != last {
                write!(page, "\n`{}`\n\n", case.kind).unwrap();
            }
            last = case.kind;
            write!(page, "    $ {}\n    error: {message}\n", case.command()).unwrap();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    page.push_str("\n## Parts of others, and what is never met\n\n");
    for (kind, why) in kinds::NEVER {
        writeln!(page, "* `{kind}`: {why}").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    if std::env::var_os("ABSINT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (new, old)) in page.lines().zip(written.lines()).enumerate() {
        assert_eq!(new, old, "docs/errors.md:{}: write it anew with ABSINT_WRITE_DOCS=1", line + 1);
    }
    assert_eq!(page.lines().count(), written.lines().count(), "docs/errors.md: write it anew with ABSINT_WRITE_DOCS=1");
}

const HEAD: &str = "\
# Errors

Every kind of error that absint can end with, and what it says. A run that ends so has exit status 2, nothing on
stdout (`verify` answers `unknown`), and one line on stderr that names the file, the place in it (line and column, node,
index) and the mend. This page is written by `tests/errors`, which makes each of them and runs the program:
`ABSINT_WRITE_DOCS=1 cargo test --test errors`.
";

/// The lists are exhaustive, because the compiler refuses a `match` that lacks a variant.
#[test]
fn every_kind_of_error_has_a_case_or_a_reason_why_it_is_never_met() {
    let met: Vec<&str> = sections().iter().flat_map(|(_, cases)| cases.iter().map(|c| c.kind)).collect();
    for kind in kinds::all() {
        let never = kinds::NEVER.iter().any(|(name, _)| *name == kind);
        assert!(met.contains(&kind) != never, "{kind}: met {}, never met {never}", met.contains(&kind));
    }
    for (kind, _) in kinds::NEVER {
        assert!(kinds::all().contains(kind), "{kind} is no kind");
    }
    for kind in met {
        assert!(kind.starts_with("usage.") || kinds::all().contains(&kind), "{kind} is no kind");
    }
}
