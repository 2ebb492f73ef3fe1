//! A module imports only what stands to its left in the order that the documentation states.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its unit tests, which may look anywhere.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

/// Names of modules that `text` imports by `prefix::name` or `prefix::{a::…, b}`.
fn imports(text: &str, prefix: &str, modules: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        let list = if rest.starts_with('{') { &rest[..rest.find('}').unwrap_or(rest.len())] } else { rest };
        let first_of = |piece: &str| {
            piece
                .trim_start_matches('{')
                .trim()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("")
                .to_owned()
        };
        let pieces: Vec<&str> = if rest.starts_with('{') { list.split(',').collect() } else { vec![list] };
        found.extend(pieces.into_iter().map(first_of).filter(|name| modules.contains(&name.as_str())));
    }
    found
}

fn check(root: &Path, order: &[&[&str]], prefix: &str) {
    let modules: Vec<&str> = order.iter().flat_map(|rank| rank.iter().copied()).collect();
    let rank = |module: &str| order.iter().position(|names| names.contains(&module)).unwrap();
    let mut checked = 0;
    for path in sources(root) {
        let relative = path.strip_prefix(root).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        if !modules.contains(&module.as_str()) {
            continue;
        }
        for import in imports(&code(&path), prefix, &modules) {
            assert!(
                import == module || rank(&import) < rank(&module),
                "{}: `{module}` must not import `{import}`",
                path.display()
            );
            checked += 1;
        }
    }
    assert!(checked > 10, "the test read no imports below {}", root.display());
}

#[test]
fn the_mathematics_imports_to_the_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("domains/src");
    let order: &[&[&str]] = &[
        &["num", "budget", "observer"],
        &["lp"],
        &["polyhedra"],
        &["activation"],
        &["network"],
        &["query"],
        &["verdict"],
        &["domain"],
    ];
    check(&root, order, "crate::");
}

#[test]
fn the_tool_imports_to_the_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let order: &[&[&str]] = &[
        &["domains"],
        &["format"],
        &["attack"],
        &["exact"],
        &["analyze", "example"],
        &["campaign", "compare"],
        &["report"],
        &["cli"],
    ];
    check(&root, order, "crate::");
}
