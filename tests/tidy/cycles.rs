//! Import cycles: none between files, none between folders.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::{File, sources};

/// For each folder the entries that an entry names. An entry is a file, a folder with all in it, or the code in
/// `mod.rs`, which is entered as `mod`.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<&'a str>>>;

/// The entries of the lowest folder that contains both modules: `a/b/c` and `a/d/e` give `a`, `b` and `d`.
fn fork<'a>(one: &'a str, other: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
    let mut at = 0;
    loop {
        let next = |path: &'a str| {
            let rest = path.get(at..).filter(|rest| !rest.is_empty());
            rest.map_or("mod", |rest| rest.split('/').next().unwrap_or(rest))
        };
        let (from, to) = (next(one), next(other));
        if from != to {
            return Some((one[..at.min(one.len())].trim_end_matches('/'), from, to));
        }
        if at >= one.len() {
            return None;
        }
        at += from.len() + 1;
    }
}

/// The module that a path belongs to: the longest that it begins with.
fn module_of<'a>(path: &str, modules: &BTreeSet<&'a str>) -> Option<&'a str> {
    let mut path = path;
    loop {
        if let Some(module) = modules.get(path) {
            return Some(module);
        }
        path = path.rsplit_once('/')?.0;
    }
}

fn graph(files: &[File]) -> Graph<'_> {
    let modules: BTreeSet<&str> = files.iter().map(File::module).collect();
    let mut graph = Graph::new();
    for file in files {
        for path in file.named_paths() {
            let Some(named) = module_of(&path, &modules) else {
                continue;
            };
            if let Some((folder, from, to)) = fork(file.module(), named) {
                let folder = graph.entry(folder).or_default();
                folder.entry(from).or_default().insert(to);
            }
        }
    }
    graph
}

/// Every entry that is reached from this one.
fn reached<'a>(from: &'a str, edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(entry) = next.pop() {
        for to in edges.get(entry).into_iter().flatten() {
            if reached.insert(*to) {
                next.push(to);
            }
        }
    }
    reached
}

/// The entries of each folder that reach themselves, with those that they reach and are reached by.
fn cycles(files: &[File]) -> BTreeSet<(String, Vec<String>)> {
    let mut cycles = BTreeSet::new();
    for (folder, edges) in graph(files) {
        for entry in edges.keys() {
            let back = |other: &&str| reached(other, &edges).contains(entry);
            let cycle: Vec<String> = reached(entry, &edges)
                .into_iter()
                .filter(back)
                .map(str::to_string)
                .collect();
            if !cycle.is_empty() {
                cycles.insert((folder.to_string(), cycle));
            }
        }
    }
    cycles
}

#[test]
fn no_files_and_no_folders_name_each_other() {
    let cycles = cycles(&sources());
    assert!(cycles.is_empty(), "these name each other: {cycles:#?}");
}

#[test]
fn a_cycle_is_found_wherever_it_passes() {
    let file = |path: &str, text: &str| File {
        path: format!("src/{path}"),
        text: text.to_string(),
    };
    let files = [
        file("a/mod.rs", "pub mod b;\npub use b::B;\n"),
        file("a/b.rs", "use super::C;\n"),
        file("d/mod.rs", "pub mod e;\npub mod f;\n"),
        file("d/e.rs", "use super::f::F;\nuse crate::g::G;\n"),
        file("d/f.rs", "use crate::a::B;\n"),
        file("g/mod.rs", "pub mod h;\n"),
        file("g/h.rs", "use crate::{a, d::e};\n"),
        file("g/i.rs", "use super::*;\nuse crate::d::f;\n"),
    ];
    let found = cycles(&files);
    let cycle = |folder: &str, entries: &[&str]| {
        let entries = entries.iter().map(|entry| entry.to_string());
        (folder.to_string(), entries.collect::<Vec<_>>())
    };
    let expected = [cycle("", &["d", "g"]), cycle("a", &["b", "mod"])];
    assert_eq!(found, BTreeSet::from(expected));
}
