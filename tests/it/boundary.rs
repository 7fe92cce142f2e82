//! Who imports whom: the order that the map in `src/lib.rs` draws, science apart from the harness, no circles between files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module files under `src` by path without ending, such as `metrics/ot/mod`, with their code: no comments, no tests.
fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs") {
                let name = path.strip_prefix(root).unwrap().with_extension("");
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                let lines = code.lines().map(|line| line.split("//").next().unwrap());
                found.insert(name.to_str().unwrap().to_owned(), lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    walk(&root, &root, &mut found);
    let apart = ["main", "lib", "build", "tests", "kernels"];
    found.retain(|name, _| !name.split('/').any(|part| apart[3..].contains(&part)) && !apart.contains(&name.as_str()));
    found
}

/// Paths that a use tree names: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(tree: &str) -> Vec<String> {
    let Some((head, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let inside = &rest[..rest.rfind('}').unwrap()];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inside.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 { parts.push(String::new()) } else { parts.last_mut().unwrap().push(c) }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(part).into_iter().map(|p| format!("{}{p}", head.trim()))).collect()
}

/// The imports of a file, as paths from the root of the crate; re-exports (`pub use`) apart.
struct Imports {
    own: Vec<Vec<String>>,
    passed_on: Vec<Vec<String>>,
}

fn imports(name: &str, code: &str, files: &BTreeMap<String, String>) -> Imports {
    let mut here: Vec<&str> = name.split('/').collect();
    if here.last() == Some(&"mod") {
        here.pop();
    }
    let absolute = |path: &str| -> Option<Vec<String>> {
        let mut parts: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut base: Vec<&str> = match parts[0] {
            "crate" => Vec::new(),
            "self" => here.clone(),
            "super" => here[..here.len() - 1].to_vec(),
            // A module in this folder.
            child => {
                let path = [&here[..], &[child]].concat().join("/");
                if !files.contains_key(&path) && !files.contains_key(&format!("{path}/mod")) {
                    return None;
                }
                return Some(here.iter().chain(&parts).map(|part| (*part).to_owned()).collect());
            }
        };
        parts.remove(0);
        while parts.first() == Some(&"super") {
            base.pop();
            parts.remove(0);
        }
        Some(base.into_iter().chain(parts).map(str::to_owned).collect())
    };
    let mut found = Imports { own: vec![], passed_on: vec![] };
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap().trim();
        let end = rest[at..].find(';').map_or(rest.len(), |n| at + n);
        // Prose and names that end in "use" are no imports.
        let to = match line {
            "" => Some(&mut found.own),
            _ if line.starts_with("pub") => Some(&mut found.passed_on),
            _ => None,
        };
        if let Some(to) = to {
            to.extend(expand(&rest[at + 4..end]).into_iter().filter_map(|path| absolute(&path)));
        }
        rest = &rest[at + 4..];
    }
    // Paths written out in the code.
    for (at, _) in code.match_indices("crate::") {
        let path: String = code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        found.own.extend(absolute(path.trim_end_matches(':')));
    }
    found
}

/// The file that an imported path is defined in, re-exports followed.
fn home(
    path: &[String],
    files: &BTreeMap<String, String>,
    doors: &BTreeMap<String, Vec<Vec<String>>>,
) -> Option<String> {
    let mut path = path.to_vec();
    for _ in 0..8 {
        let (file, taken) = (1..=path.len()).rev().find_map(|n| {
            let name = path[..n].join("/");
            let own = [format!("{name}/mod"), name].into_iter().find(|name| files.contains_key(name))?;
            Some((own, n))
        })?;
        let Some(item) = path.get(taken) else { return Some(file) };
        let passed = doors.get(&file).and_then(|all| all.iter().find(|p| p.last() == Some(item)));
        match passed {
            Some(further) if *further != path => path.clone_from(further),
            _ => return Some(file),
        }
    }
    None
}

fn folder(file: &str) -> &str {
    file.strip_suffix("mod").unwrap_or(file)
}

/// Which file imports which: a folder's `mod.rs` and what lies in the folder are one house to each other.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let files = files();
    let all: BTreeMap<&String, Imports> =
        files.iter().map(|(name, code)| (name, imports(name, code, &files))).collect();
    let doors = all.iter().map(|(name, i)| ((*name).clone(), i.passed_on.clone())).collect();
    let mut graph = BTreeMap::new();
    for (name, found) in &all {
        let related = |other: &String| {
            (name.ends_with("mod") && other.starts_with(folder(name)))
                || (other.ends_with("mod") && name.starts_with(folder(other)))
        };
        let to = found.own.iter().filter_map(|path| home(path, &files, &doors));
        graph.insert((*name).clone(), to.filter(|other| other != *name && !related(other)).collect());
    }
    graph
}

/// The floors of a line of the map, from the ground.
fn floors(line: &str) -> Vec<Vec<String>> {
    let map = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let start = format!("//! {line}:");
    let text = map.lines().find_map(|l| l.strip_prefix(start.as_str())).unwrap_or_else(|| panic!("no line {start}"));
    text.split('<').map(|floor| floor.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn imports_keep_the_order_of_the_map() {
    let (science, harness) = (floors("science"), floors("harness"));
    let upwards = floors("upwards").concat().join(" ");
    let place = |module: &str| {
        let at = |line: &[Vec<String>]| line.iter().position(|floor| floor.iter().any(|m| m == module));
        at(&science).map(|floor| (0, floor)).or_else(|| at(&harness).map(|floor| (1, floor)))
    };
    let top = |file: &str| file.split('/').next().unwrap().to_owned();
    let (mut wrong, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (file, imported) in graph() {
        let from = top(&file);
        let Some(here) = place(&from) else {
            if from != "guide" {
                wrong.insert(format!("`{from}` is not in the map of src/lib.rs"));
            }
            continue;
        };
        for other in imported {
            let to = top(&other);
            if to == from || place(&to).is_none_or(|there| there < here) {
                continue;
            }
            let arrow = format!("{from} -> {to}");
            if upwards.contains(&arrow) {
                used.insert(arrow);
            } else {
                wrong.insert(format!("{file} imports {other}: {arrow} is not in the order of src/lib.rs"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(used.len(), upwards.matches("->").count(), "exceptions in the map that nobody needs: {upwards}");
    assert!(used.len() <= 2, "{upwards}");
}

#[test]
fn no_circle_between_files() {
    let graph = graph();
    assert!(graph.len() > 200, "{} files", graph.len());
    let reach = |from: &String| {
        let (mut seen, mut left) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = left.pop() {
            for other in &graph[&next] {
                if seen.insert(other.clone()) {
                    left.push(other.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = graph.keys().map(|name| (name, reach(name))).collect();
    let circles: BTreeSet<(&String, &String)> = graph
        .iter()
        .flat_map(|(a, to)| {
            to.iter().filter(|b| reached[b].contains(a)).map(move |b| if a < b { (a, b) } else { (b, a) })
        })
        .collect();
    assert!(circles.is_empty(), "circles between files: {circles:#?}");
}

#[test]
fn use_trees() {
    assert_eq!(
        expand("crate::a::{b, c::{d, e as f}, self}"),
        ["crate::a::b", "crate::a::c::d", "crate::a::c::e", "crate::a::self"]
    );
    let files = BTreeMap::from([("x/y/z".to_owned(), String::new())]);
    let code = "use super::{p, q::r};\npub use z::W;\npub use std::u;\npub use self::k::V;\nfn f() { crate::m::n(); }";
    let found = imports("x/y/mod", code, &files);
    let of = |path: &[&str]| path.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
    assert_eq!(found.own, [of(&["x", "p"]), of(&["x", "q", "r"]), of(&["m", "n"])]);
    assert_eq!(found.passed_on, [of(&["x", "y", "z", "W"]), of(&["x", "y", "k", "V"])]);
}
