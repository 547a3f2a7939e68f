//! The files of the repository, and the module paths that a source file names.

use std::path::{Path, PathBuf};

/// A file: its path from the root of the repository, and its text.
pub struct File {
    pub path: String,
    pub text: String,
}

/// The files below a folder with one of these extensions, in order.
pub fn files_below(folder: &str, extensions: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if has_extension(&path, extensions) {
                files.push(read(root, path));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The files of the root folder itself with one of these extensions.
pub fn files_at_root(extensions: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root).expect("the root");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.is_file() && has_extension(path, extensions));
    paths.map(|path| read(root, path)).collect()
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

fn read(root: &Path, path: PathBuf) -> File {
    let text = std::fs::read_to_string(&path).expect("a text");
    let path = path.strip_prefix(root).expect("below the root");
    let path = path.display().to_string();
    File { path, text }
}

/// The source files of the program.
pub fn sources() -> Vec<File> {
    let files = files_below("src", &["rs"]);
    assert!(files.len() > 30, "the sources are not in src");
    files
}

impl File {
    /// The path of the module of a source file: `src/app/store/mod.rs` is `app/store`, `src/main.rs` is `main`.
    pub fn module(&self) -> &str {
        let path = self.path.strip_prefix("src/").expect("a source file");
        let path = path.strip_suffix(".rs").expect("a source file");
        path.strip_suffix("/mod").unwrap_or(path)
    }

    /// The module paths that this source file names from the root, as `app/store/Store`: after `crate::`, `zigcheck::`,
    /// `self::` and `super::`, and after the name of a child module. Groups are taken apart.
    pub fn named_paths(&self) -> Vec<String> {
        let mut named = Vec::new();
        let mut inner: Option<(String, usize)> = None;
        let children = self.children();
        let code = self.code();
        let mut offset = 0;
        for line in code.split_inclusive('\n') {
            let word = line.trim_start();
            let indent = line.len() - word.len();
            if let Some(name) = inline_module(word) {
                inner = Some((name.to_string(), indent));
            } else if inner.as_ref().is_some_and(|(_, of)| *of == indent) && word.starts_with('}') {
                inner = None;
            }
            let mut module = self.module().to_string();
            if let Some((name, _)) = &inner {
                module = format!("{module}/{name}");
            }
            for (at, root) in roots(line, &module, &children) {
                take_apart(&code[offset + at..], &root, &mut named);
            }
            offset += line.len();
        }
        named
    }

    /// The text without comments and string literals in lines of their own: enough to not take a path in prose for one.
    fn code(&self) -> String {
        let lines = self.text.lines();
        let code = lines.map(|line| match line.trim_start().starts_with("//") {
            true => "",
            false => line,
        });
        code.collect::<Vec<_>>().join("\n") + "\n"
    }

    /// The modules that the file declares in files of their own.
    fn children(&self) -> Vec<&str> {
        let lines = self.text.lines().filter_map(|line| {
            let line = line.strip_suffix(';')?;
            let line = line.trim_start_matches("pub(super) ");
            line.trim_start_matches("pub ").strip_prefix("mod ")
        });
        lines.collect()
    }
}

/// The name of the module that begins in this line and whose body follows in it.
fn inline_module(line: &str) -> Option<&str> {
    let line = line.trim_end().strip_suffix(" {")?;
    line.trim_start_matches("pub ").strip_prefix("mod ")
}

/// Where in a line a path begins that can be resolved: the offset of what follows its root, and the root.
fn roots(line: &str, module: &str, children: &[&str]) -> Vec<(usize, String)> {
    let mut roots = Vec::new();
    for (at, _) in line.match_indices("::") {
        let start = line[..at].rfind(|c: char| !is_word(c));
        let start = start.map_or(0, |before| before + 1);
        // The middle of a longer path.
        if line[..start].ends_with("::") {
            continue;
        }
        let root = match &line[start..at] {
            "crate" | "zigcheck" => String::new(),
            "self" => module.to_string(),
            "super" => parent(module).to_string(),
            child if children.contains(&child) => format!("{module}/{child}"),
            _ => continue,
        };
        roots.push((at + 2, root));
    }
    roots
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn parent(module: &str) -> &str {
    module.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Adds the paths below `root` that the text begins with: a name, more names, or a group of those.
fn take_apart(text: &str, root: &str, named: &mut Vec<String>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        for item in items(group) {
            take_apart(item, root, named);
        }
        return;
    }
    let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = match name {
        "" | "self" => root.to_string(),
        "super" => parent(root).to_string(),
        _ => format!("{root}/{name}"),
    };
    match rest.strip_prefix("::") {
        Some(rest) => take_apart(rest, &path, named),
        None => named.push(path.trim_start_matches('/').to_string()),
    }
}

/// The items of a group, up to its closing brace.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

#[test]
fn paths_are_resolved_from_the_root() {
    let text = "use crate::a::{self, b::C, d::{E, F}};\nuse super::g;\nmod h;\nfn i() { h::j(); x::crate_y() }\n\
                mod tests {\n    use super::*;\n}\nfn k() { super::l() }\n// crate::no\n";
    let file = File {
        path: "src/m/mod.rs".to_string(),
        text: text.to_string(),
    };
    let expected = ["a", "a/b/C", "a/d/E", "a/d/F", "g", "m/h/j", "m", "l"];
    assert_eq!(file.named_paths(), expected);
}
