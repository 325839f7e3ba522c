//! Circles of files that import each other, over the `use` lines of each crate.
//!
//! A `use` points to the file of the module that it names, or that a re-export leads to. Imports
//! between a module and its own parent do not count, nor do those of unit tests, nor does a
//! re-export of something further down. rustfmt's layout is taken for granted: a `use` begins a
//! line, and an inline module ends at its own indentation.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use super::{read, tracked};
use crate::error::TaskError;

/// Imports, `FILE -> FILE` one per line, that are allowed to close a circle until they are mended.
const EXCEPTIONS: &str = "xtask/src/checks/circles.txt";

/// The names of a module, outermost first.
type Names = Vec<String>;

/// Which file imports which.
type Imports = BTreeSet<(String, String)>;

/// A `use` of one name.
struct Use {
    /// Whether others can use it from here.
    public: bool,
    /// What it names, from the root of the crate.
    path: Names,
    /// How it is called here; `*` for all names of a module.
    name: String,
}

pub(crate) fn check(root: &Path) -> Result<Vec<String>, TaskError> {
    let sources = tracked(root, ".rs")?;
    let mut crates: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &sources {
        if let Some((krate, _)) = source.split_once("/src/") {
            crates.entry(krate).or_default().push(source);
        }
    }
    let mut imports = Imports::new();
    for (krate, files) in crates {
        let library = files.iter().any(|file| file.ends_with("/src/lib.rs"));
        let mut modules = BTreeMap::new();
        for file in files {
            let path = file.trim_start_matches(krate).trim_start_matches("/src/");
            let names = if path == "main.rs" && !library {
                Names::new()
            } else {
                module_of(path)
            };
            let uses = uses(&read(&root.join(file))?, &names);
            modules.insert(names, (file, uses));
        }
        imports.extend(imports_of(&modules));
    }
    let list = read(&root.join(EXCEPTIONS))?;
    let exceptions: Imports = list
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" -> "))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect();
    Ok(findings(imports, &exceptions))
}

/// The module in a file, from a path below `src`.
fn module_of(path: &str) -> Names {
    let names = path.trim_end_matches(".rs").split('/');
    let mut names: Names = names.map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod") || names == ["lib"] {
        names.pop();
    }
    names
}

/// The imports of a file, with those of its inline modules but without those of its tests.
fn uses(text: &str, module: &Names) -> Vec<Use> {
    let mut found = Vec::new();
    // Inline modules around the line: indentation, name, whether for tests.
    let mut around: Vec<(usize, &str, bool)> = Vec::new();
    let mut test = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indentation = line.len() - line.trim_start().len();
        let (visible, rest) = without_visibility(line.trim());
        if rest == "}" && around.last().is_some_and(|last| last.0 == indentation) {
            around.pop();
        } else if let Some(name) = rest
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            around.push((indentation, name, test));
        } else if let Some(rest) = rest.strip_prefix("use ") {
            let mut tree = rest.split(" //").next().unwrap_or_default().to_owned();
            while !tree.ends_with(';') {
                let Some(line) = lines.next() else { break };
                tree.push_str(line.split("//").next().unwrap_or_default().trim());
            }
            if !test && !around.iter().any(|(_, _, test)| *test) {
                let inner = around.iter().map(|(_, name, _)| (*name).to_owned());
                let here: Names = module.iter().cloned().chain(inner).collect();
                expand(&mut found, visible, &here, &[], tree.trim_end_matches(';'));
            }
        }
        // An attribute holds for the item behind it.
        test = line.trim().starts_with("#[cfg(test)]") || test && line.trim().starts_with("#[");
    }
    found
}

fn without_visibility(line: &str) -> (bool, &str) {
    let Some(rest) = line.strip_prefix("pub") else {
        return (false, line);
    };
    let rest = rest.split_once(") ").map_or(
        rest,
        |(scope, item)| if scope.starts_with('(') { item } else { rest },
    );
    (true, rest.trim_start())
}

/// Adds the names of a tree such as `a::{b, c::*, d as e}`.
fn expand(found: &mut Vec<Use>, public: bool, here: &Names, before: &[String], tree: &str) {
    if let Some((prefix, inner)) = tree.split_once('{') {
        let path: Names = before
            .iter()
            .cloned()
            .chain(
                prefix
                    .split("::")
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            )
            .collect();
        let inner = inner.strip_suffix('}').unwrap_or(inner);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(found, public, here, &path, inner[start..at].trim());
                    start = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    if tree.is_empty() {
        // After the last comma.
        return;
    }
    let (tree, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut path: Names = before
        .iter()
        .cloned()
        .chain(
            tree.split("::")
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        )
        .collect();
    if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
        path.pop();
    }
    let Some(last) = path.last().cloned() else {
        return;
    };
    if last == "*" {
        path.pop();
    }
    let mut full = here.clone();
    match path[0].as_str() {
        "crate" => full.clear(),
        "self" => {}
        "super" => {
            let up = path.iter().take_while(|name| *name == "super").count();
            full.truncate(full.len().saturating_sub(up));
        }
        _ => {}
    }
    let names = path
        .into_iter()
        .skip_while(|name| ["crate", "self", "super"].contains(&name.as_str()));
    full.extend(names);
    let name = if alias.is_empty() {
        last
    } else {
        alias.to_owned()
    };
    found.push(Use {
        public,
        path: full,
        name,
    });
}

/// The imports within a crate.
fn imports_of(modules: &BTreeMap<Names, (&str, Vec<Use>)>) -> Imports {
    let mut imports = Imports::new();
    for (module, (file, uses)) in modules {
        for one in uses {
            let to = resolve(modules, &one.path, 0);
            let parent = |a: &Names, b: &Names| a.len() + 1 == b.len() && b.starts_with(a);
            let Some((to, target)) = to.and_then(|to| Some((to, modules.get(to)?.0))) else {
                continue;
            };
            let down = one.public && to.starts_with(module);
            if to != module && !down && !parent(to, module) && !parent(module, to) {
                imports.insert(((*file).to_owned(), target.to_owned()));
            }
        }
    }
    imports
}

/// The module that defines what a path names, as far as re-exports tell.
fn resolve<'a>(
    modules: &'a BTreeMap<Names, (&str, Vec<Use>)>,
    path: &[String],
    depth: usize,
) -> Option<&'a Names> {
    let known = (0..=path.len())
        .rev()
        .find_map(|length| modules.get_key_value(&path[..length]));
    let (module, (_, uses)) = known?;
    let Some(item) = path.get(module.len()) else {
        return Some(module);
    };
    if depth < 8 {
        let more = &path[module.len() + 1..];
        let named = uses
            .iter()
            .filter(|one| one.name == *item && one.path != path[..=module.len()]);
        for one in named {
            let further: Names = one.path.iter().chain(more).cloned().collect();
            if let Some(found) = resolve(modules, &further, depth + 1) {
                return Some(found);
            }
        }
    }
    // Defined here, or in another crate.
    Some(module)
}

/// Circles that no exception opens, and exceptions that open none.
fn findings(mut imports: Imports, exceptions: &Imports) -> Vec<String> {
    let mut findings = Vec::new();
    imports.retain(|import| !exceptions.contains(import));
    for (from, to) in exceptions {
        if way(&imports, to, from).is_none() {
            findings.push(format!("{EXCEPTIONS}: no longer needed: {from} -> {to}"));
        }
    }
    while let Some(circle) = imports
        .iter()
        .find_map(|(from, to)| way(&imports, to, from))
    {
        findings.push(format!(
            "a circle: {} -> {}",
            circle.join(" -> "),
            circle[0]
        ));
        let last = circle[circle.len() - 1].clone();
        imports.remove(&(last, circle[0].clone()));
    }
    findings
}

/// The shortest way from a file to another along imports, both included.
fn way(imports: &Imports, from: &str, to: &str) -> Option<Vec<String>> {
    let mut targets: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (a, b) in imports {
        targets.entry(a).or_default().push(b);
    }
    let mut before: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front().filter(|_| !before.contains_key(to)) {
        for next in targets.get(file).into_iter().flatten() {
            before.entry(next).or_insert_with(|| {
                queue.push_back(next);
                file
            });
        }
    }
    let mut way = vec![to.to_owned()];
    let mut at = to;
    while at != from {
        at = before.get(at)?;
        way.push(at.to_owned());
    }
    way.reverse();
    Some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Names {
        path.split("::")
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn imports(files: &[(&'static str, &str)]) -> Imports {
        let parsed = files.iter().map(|(file, text)| {
            let module = module_of(file);
            let uses = uses(text, &module);
            (module, (*file, uses))
        });
        imports_of(&parsed.collect())
    }

    fn circles(files: &[(&'static str, &str)]) -> usize {
        findings(imports(files), &Imports::new()).len()
    }

    #[test]
    fn a_tree_of_names_is_expanded() {
        let text = "use crate::a::{\n    self, b::{C as D, E}, // why\n    f::*,\n};\nmod x {\n    use super::Y;\n}\n";
        let found = uses(text, &names("here::now"));
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.path.join("::"), one.name.as_str()))
            .collect();
        let expected = [
            ("a", "a"),
            ("a::b::C", "D"),
            ("a::b::E", "E"),
            ("a::f", "*"),
            ("here::now::Y", "Y"),
        ];
        assert_eq!(found, expected.map(|(path, name)| (path.to_owned(), name)));
    }

    #[test]
    fn a_circle_of_any_length_is_found() {
        let two = [
            ("lib.rs", ""),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use super::a::A;"),
        ];
        assert_eq!(circles(&two), 1);
        let three = [
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c;"),
            ("c/mod.rs", "use crate::a::A;"),
        ];
        assert_eq!(circles(&three), 1);
    }

    #[test]
    fn a_re_export_leads_to_the_file_that_defines() {
        let way = [
            ("m/mod.rs", "mod n;\npub use n::N;"),
            ("m/n.rs", "use crate::a::A;"),
            ("a.rs", "use crate::m::N;"),
        ];
        assert!(imports(&way).contains(&("a.rs".to_owned(), "m/n.rs".to_owned())));
        assert_eq!(circles(&way), 1);
    }

    #[test]
    fn parents_tests_and_re_exports_of_what_is_below_do_not_count() {
        let parent = [
            ("a/mod.rs", "mod b;\nuse b::B;"),
            ("a/b.rs", "use super::A;"),
        ];
        assert_eq!(circles(&parent), 0);
        let test = [
            ("a.rs", "use crate::b::B;"),
            (
                "b.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            ),
        ];
        assert_eq!(circles(&test), 0);
        let root = [
            ("lib.rs", "pub use a::b::B;"),
            ("a/b.rs", "use crate::Root;"),
        ];
        assert_eq!(circles(&root), 0);
    }

    #[test]
    fn an_exception_opens_a_circle_and_goes_when_it_is_not_needed() {
        let two = imports(&[("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")]);
        let exception = Imports::from([("a.rs".to_owned(), "b.rs".to_owned())]);
        assert!(findings(two, &exception).is_empty());
        let one = imports(&[("a.rs", "use crate::b::B;"), ("b.rs", "")]);
        assert_eq!(findings(one, &exception).len(), 1);
    }
}
