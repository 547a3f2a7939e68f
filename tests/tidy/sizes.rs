//! Sizes: of files, lines, functions and types.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::{File, files_below, sources};

const FILE_LIMIT_LINES: usize = 500;
const LINE_LIMIT_CHARS: usize = 120;
const FUNCTION_LIMIT_LINES: usize = 70;
const TYPE_LIMIT_FILES: usize = 3;

fn lines_of(file: &File) -> usize {
    file.text.lines().count()
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    for file in sources().iter().chain(&files_below("tests", &["rs"])) {
        let File { path, text } = file;
        assert!(text.starts_with("//! "), "{path} does not say what it is");
        let lines = lines_of(file);
        assert!(lines <= FILE_LIMIT_LINES, "{path} has {lines} lines");
    }
}

#[test]
fn lines_stay_short() {
    for File { path, text } in sources() {
        for (number, line) in text.lines().enumerate() {
            let chars = line.chars().count();
            assert!(
                chars <= LINE_LIMIT_CHARS,
                "{path}:{} has {chars} characters",
                number + 1
            );
        }
    }
}

#[test]
fn functions_stay_short() {
    let begins = ["fn ", "const fn ", "unsafe fn "];
    for File { path, text } in sources() {
        let mut start = None;
        for (number, line) in text.lines().enumerate() {
            let word = line.trim_start();
            let indent = line.len() - word.len();
            let item = without_visibility(word);
            if begins.iter().any(|begin| item.starts_with(begin)) && start.is_none() {
                start = (!line.trim_end().ends_with('}')).then_some((number, indent));
            } else if let Some((from, of)) = start
                && indent == of
                && (word.starts_with('}') || word.trim_end().ends_with(';'))
            {
                let lines = number - from + 1;
                let limit = FUNCTION_LIMIT_LINES;
                assert!(
                    lines <= limit,
                    "{path}:{}: a function of {lines} lines",
                    from + 1
                );
                start = None;
            }
        }
    }
}

fn without_visibility(item: &str) -> &str {
    match item.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ").map_or(item, |(_, item)| item),
        None => item.strip_prefix("pub ").unwrap_or(item),
    }
}

/// The name of the type that a line begins to give methods, if it does.
fn implemented(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once("> ")?.1,
        None => rest.strip_prefix(' ')?,
    };
    let of = rest.split_once(" for ").map_or(rest, |(_, of)| of);
    let end = of.find(|c: char| !c.is_alphanumeric() && c != ':');
    let path = &of[..end.unwrap_or(of.len())];
    path.rsplit("::").next()
}

#[test]
fn no_type_has_methods_in_more_than_three_files() {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for File { path, text } in sources() {
        for name in text.lines().filter_map(implemented) {
            files
                .entry(name.to_string())
                .or_default()
                .insert(path.clone());
        }
    }
    for (name, files) in files {
        assert!(
            files.len() <= TYPE_LIMIT_FILES,
            "{name} is spread over {files:?}"
        );
    }
}
