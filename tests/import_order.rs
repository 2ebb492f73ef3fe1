//! No two files import each other, in any crate of the workspace, and a module imports only what stands before it in
//! the order that the crate's front page states.
//!
//! A file imports the file that defines what it names: in a `use`, or by a path in its code. Re-exports (`pub use`)
//! are pages of contents and no imports; what the page of a folder (`mod.rs`, `lib.rs`) defines belongs to all files
//! below it; unit tests may look anywhere.
//!
//! Every file begins with a line that says what lives there, and neither files nor functions are long.

#![allow(clippy::unwrap_used)]

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree, Visibility};

/// A path of names, from the crate's root.
type Names = Vec<String>;

/// What a file has and names.
#[derive(Default)]
struct Module {
    file: String,
    /// Items that it defines.
    items: BTreeSet<String>,
    /// What its `use` lines bind: a name and the path as it is written.
    bound: BTreeMap<String, Names>,
    /// Modules whose items it has by `use path::*`.
    globs: Vec<Names>,
    /// The paths that it reads, as they are written.
    read: BTreeSet<Names>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("test") || quoted(a).contains("test"))
}

/// What a `cfg` attribute asks for.
fn quoted(attribute: &Attribute) -> String {
    match (&attribute.meta, attribute.path().is_ident("cfg")) {
        (syn::Meta::List(list), true) => list.tokens.to_string(),
        _ => String::new(),
    }
}

impl Module {
    fn of(file: &str, text: &str) -> Self {
        let mut module = Self { file: file.into(), ..Self::default() };
        let parsed = syn::parse_file(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        for item in &parsed.items {
            module.define(item);
        }
        module.visit_file(&parsed);
        module
    }

    fn define(&mut self, item: &Item) {
        let name = match item {
            Item::Const(i) => &i.ident,
            Item::Enum(i) => &i.ident,
            Item::Fn(i) => &i.sig.ident,
            Item::Static(i) => &i.ident,
            Item::Struct(i) => &i.ident,
            Item::Trait(i) => &i.ident,
            Item::Type(i) => &i.ident,
            Item::Macro(syn::ItemMacro { ident: Some(ident), .. }) => ident,
            _ => return,
        };
        self.items.insert(name.to_string());
    }

    /// Takes a `use` apart; unless it is a re-export, it reads what it names.
    fn bind(&mut self, tree: &UseTree, before: &[String], reads: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, mut path) = match tree {
            UseTree::Path(path) => return self.bind(&path.tree, &with(&path.ident), reads),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.bind(tree, before, reads)),
            UseTree::Glob(_) => return self.globs.push(before.to_vec()),
            UseTree::Name(name) => (name.ident.to_string(), with(&name.ident)),
            UseTree::Rename(rename) => (rename.rename.to_string(), with(&rename.ident)),
        };
        if path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        if reads {
            self.read.insert(path.clone());
        }
        self.bound.insert(name, path);
    }

    /// The paths among the tokens of a macro call.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Names = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.read.insert(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(p) if p.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                _ => colons = 0,
            }
        }
        self.read.insert(path);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test(&item.attrs) {
            self.bind(&item.tree, &[], matches!(item.vis, Visibility::Inherited));
        }
    }
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.read.insert(path.segments.iter().map(|s| s.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.read_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

/// The modules of a crate by their paths.
struct Crate(BTreeMap<Names, Module>);

impl Crate {
    fn below(root: &Path) -> Self {
        let module = |path: PathBuf| {
            let relative = path.strip_prefix(root).unwrap();
            let mut names: Names = relative.with_extension("").iter().map(|n| n.to_string_lossy().into()).collect();
            if names.last().is_some_and(|last| ["mod", "lib"].contains(&last.as_str())) {
                names.pop();
            }
            let is_test = names.last().is_some_and(|last| last == "tests") || names.iter().any(|n| n == "tests");
            (!is_test).then(|| (names, Module::of(&relative.to_string_lossy(), &fs::read_to_string(&path).unwrap())))
        };
        Self(sources(root).into_iter().filter_map(module).collect())
    }

    /// The module that defines what `path`, written in `module`, names; `None` for what is not of this crate.
    fn definer(&self, module: &[String], path: &[String], depth: usize) -> Option<&Module> {
        let here = self.0.get(module)?;
        let [first, rest @ ..] = path else { return Some(here) };
        let child = [module, std::slice::from_ref(first)].concat();
        if depth > 20 {
            return None;
        }
        match first.as_str() {
            "crate" => self.definer(&[], rest, depth + 1),
            "self" => self.definer(module, rest, depth + 1),
            "super" => self.definer(&module[..module.len().checked_sub(1)?], rest, depth + 1),
            _ if self.0.contains_key(&child) => self.definer(&child, rest, depth + 1),
            name if here.items.contains(name) => Some(here),
            name if here.bound.contains_key(name) => {
                let target = &here.bound[name];
                // A path that begins with its own name is that of another crate.
                (target.first() != Some(first))
                    .then(|| [&target[..], rest].concat())
                    .and_then(|target| self.definer(module, &target, depth + 1))
            }
            _ => here.globs.iter().find_map(|glob| {
                let inside = [&glob[..], path].concat();
                self.definer(module, &inside, depth + 1).filter(|found| found.items.contains(path.last().unwrap()))
            }),
        }
    }

    /// For each file the files that it imports.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let of = |(names, module): (&Names, &Module)| {
            // A lone name may be that of a variable; it imports an item, never a module.
            let is_import = |path: &&Names| path.len() > 1 || !self.0.contains_key(&[&names[..], path].concat());
            let found = module.read.iter().filter(is_import).filter_map(|path| self.definer(names, path, 0));
            let is_other = |file: &&str| *file != module.file && !is_page_over(file, &module.file);
            found.map(|m| m.file.as_str()).filter(is_other).collect()
        };
        self.0.iter().map(|(names, module)| (module.file.as_str(), of((names, module)))).collect()
    }
}

/// True for the page of a folder that holds the file.
fn is_page_over(page: &str, file: &str) -> bool {
    let folder = page.strip_suffix("mod.rs").or_else(|| page.strip_suffix("lib.rs"));
    let folder = folder.map_or_else(|| page.replace(".rs", "/"), str::to_owned);
    file.starts_with(&folder)
}

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

/// What can be reached from `start` by one import or more.
fn reached<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = imports[start].iter().copied().collect();
    while let Some(file) = open.pop() {
        if seen.insert(file) {
            open.extend(&imports[file]);
        }
    }
    seen
}

/// The sets of files each of which imports, directly or not, all the others.
fn circles<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<Vec<&'a str>> {
    let from: BTreeMap<&str, BTreeSet<&str>> = imports.keys().map(|f| (*f, reached(imports, f))).collect();
    let circle = |file: &&&str| from[**file].iter().copied().filter(|other| from[other].contains(**file)).collect();
    imports.keys().filter(|file| from[**file].contains(**file)).map(|file| circle(&file)).collect()
}

/// The order of modules on a crate's front page: a line `a, b | c | d` in backticks.
fn order(front_page: &str) -> Vec<Vec<&str>> {
    let line = front_page.lines().filter(|l| l.starts_with("//! `")).find(|l| l.contains(" | ")).unwrap_or_default();
    let line = line.trim_start_matches("//! `").split('`').next().unwrap_or_default();
    line.split('|').map(|rank| rank.split(',').map(str::trim).filter(|n| !n.is_empty()).collect()).collect()
}

fn roots() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let others = fs::read_dir(workspace.join("crates")).into_iter().flatten().map(|e| e.unwrap().path().join("src"));
    let mut all: Vec<PathBuf> = vec![workspace.join("domains/src"), workspace.join("src")];
    all.extend(others.filter(|path| path.is_dir()));
    all
}

#[test]
fn no_two_files_import_each_other() {
    let (mut found, mut count) = (Vec::new(), 0);
    let crates: Vec<(PathBuf, Crate)> = roots().into_iter().map(|root| (root.clone(), Crate::below(&root))).collect();
    for (root, this) in &crates {
        let imports = this.imports();
        count += imports.values().map(BTreeSet::len).sum::<usize>();
        for circle in circles(&imports) {
            let edge = |file: &&str| {
                let into: Vec<&str> = imports[file].iter().copied().filter(|f| circle.contains(f)).collect();
                format!("  {file} → {}", into.join(", "))
            };
            let edges: Vec<String> = circle.iter().map(edge).collect();
            found.push(format!("{}:\n{}", root.display(), edges.join("\n")));
        }
    }
    assert!(count > 500, "the test read only {count} imports");
    assert!(found.is_empty(), "files import each other in\n{}", found.join("\n"));
}

#[test]
fn modules_import_what_stands_before_them() {
    for root in roots() {
        let page = fs::read_to_string(root.join("lib.rs")).unwrap();
        let order = order(&page);
        let module = |file: &str| file.split(['/', '.']).next().unwrap_or_default().to_owned();
        let rank = |module: &str| order.iter().position(|names| names.contains(&module));
        let this = Crate::below(&root);
        for (file, imports) in this.imports() {
            let (from, at) = (module(file), rank(&module(file)));
            for import in imports {
                let to = module(import);
                let before = at.zip(rank(&to)).is_none_or(|(at, to)| to < at);
                assert!(to == from || before, "{}: `{file}` must not import `{import}`", root.display());
            }
            let has_rank = at.is_some() || ["lib", "main"].contains(&from.as_str()) || order.len() < 2;
            assert!(has_rank, "{}: `{from}` has no place in the order of lib.rs", root.display());
        }
    }
}

/// The places in a file, its unit tests apart, where a pattern names a variant of `LinearMap`.
#[derive(Default)]
struct Variants(usize);

impl<'ast> Visit<'ast> for Variants {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        let path = match pattern {
            syn::Pat::TupleStruct(p) => Some(&p.path),
            syn::Pat::Struct(p) => Some(&p.path),
            syn::Pat::Path(p) => Some(&p.path),
            _ => None,
        };
        self.0 += usize::from(path.is_some_and(|p| p.segments.iter().any(|s| s.ident == "LinearMap")));
        visit::visit_pat(self, pattern);
    }
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let is_match = call.path.is_ident("matches") && call.tokens.to_string().contains("LinearMap ::");
        self.0 += usize::from(is_match);
        visit::visit_macro(self, call);
    }
}

#[test]
fn nobody_outside_the_network_and_the_readers_asks_which_linear_map_it_is() {
    let of = |text: &str| {
        let mut found = Variants::default();
        found.visit_file(&syn::parse_file(text).unwrap());
        found.0
    };
    assert_eq!(of("fn f(m: &LinearMap) { match m { LinearMap::Dense(w) => g(w), _ => {} } }"), 1);
    assert_eq!(of("fn f(m: &LinearMap) -> bool { matches!(m, LinearMap::Identity(_)) }"), 1);
    assert_eq!(of("fn f() -> LinearMap { LinearMap::Identity(3) }"), 0);
    for root in roots() {
        for path in sources(&root) {
            let relative = path.strip_prefix(&root).unwrap();
            let knows = ["network", "format"].iter().any(|folder| relative.starts_with(folder));
            let found = of(&fs::read_to_string(&path).unwrap());
            assert!(knows || found == 0, "{}: ask the map's methods instead", path.display());
        }
    }
}

/// The most lines of a file, and of a function.
const LONGEST: [usize; 2] = [500, 80];

/// The first lines and the lengths of functions in a formatted text: each ends where its indentation closes it.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_function = |line: &str| {
        let is_before = |w: &&str| w.starts_with("pub") || w.ends_with(')') || ["const", "async", "unsafe"].contains(w);
        line.split_whitespace().find(|w| !is_before(w)) == Some("fn")
    };
    let of = |start: usize| {
        let ends = |line: &str| line.starts_with('}') || line.starts_with(')') && line.ends_with(';');
        let closes = |line: &&str| indent(line) == indent(lines[start]) && ends(line.trim_start());
        let is_one_line = lines[start].ends_with([';', '}']);
        let more = if is_one_line { None } else { lines[start..].iter().position(closes) };
        (start + 1, more.map_or(1, |more| more + 1))
    };
    (0..lines.len()).filter(|&start| is_function(lines[start])).map(of).collect()
}

#[test]
fn files_say_what_lives_there_and_nothing_is_long() {
    let planted = format!("    pub(crate) fn f() {{\n{}    }}\n    fn g();\n", "        h();\n".repeat(98));
    assert_eq!(functions(&planted), [(1, 100), (101, 1)]);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = ["src", "domains", "crates", "tests", "benches", "examples", "python/src", "fuzz/fuzz_targets"];
    let mut found = Vec::new();
    for path in folders.iter().flat_map(|folder| sources(&workspace.join(folder))) {
        let (name, text) = (path.strip_prefix(workspace).unwrap().display(), fs::read_to_string(&path).unwrap());
        if !text.starts_with("//! ") {
            found.push(format!("{name}: the first line does not say what lives there"));
        }
        if text.lines().count() > LONGEST[0] {
            found.push(format!("{name}: has {} lines", text.lines().count()));
        }
        let long = functions(&text).into_iter().filter(|f| f.1 > LONGEST[1]);
        found.extend(long.map(|(start, lines)| format!("{name}:{start}: a function of {lines} lines")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_planted_circle_is_found() {
    let module = |(name, text): (&str, &str)| {
        let names: Names = name.split('/').filter(|n| !n.is_empty()).map(Into::into).collect();
        (names, Module::of(&format!("{name}.rs"), text))
    };
    let crate_of = |files: &[(&str, &str)]| Crate(files.iter().copied().map(module).collect());
    let page = ("", "mod a; mod b; pub use a::A; pub use b::B;");
    let by_use = crate_of(&[page, ("a", "use crate::B; pub struct A(B);"), ("b", "use super::a::A; pub fn B() {}")]);
    assert_eq!(circles(&by_use.imports()), BTreeSet::from([vec!["a.rs", "b.rs"]]));
    let in_code = crate_of(&[page, ("a", "pub fn A() { vec![crate::b::B()]; }"), ("b", "fn B(_: crate::a::A) {}")]);
    assert_eq!(circles(&in_code.imports()), BTreeSet::from([vec!["a.rs", "b.rs"]]));
    let test = "#[cfg(test)] mod tests { use crate::a::A; }";
    let none = crate_of(&[page, ("a", "use crate::B; pub struct A(B);"), ("b", &format!("pub struct B; {test}"))]);
    assert!(circles(&none.imports()).is_empty());
    assert_eq!(order("//! x\n//! `a, b | c`.\n"), [vec!["a", "b"], vec!["c"]]);
}
