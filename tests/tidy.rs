//! The layers and the measures of the house, checked so that nobody has to remember them.

use std::path::Path;

/// The layers: each folder (or file) with the ones directly below it. It may name itself, those, and all that is below
/// those. A new file belongs to its folder and is entered nowhere.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("config", &["base"]),
    ("interface", &["config"]),
    ("http", &["interface"]),
    ("shell", &["http"]),
    ("app/domain", &["interface"]),
    ("app/store", &["app/domain"]),
    ("app/source", &["app/store"]),
    ("app/engine", &["app/store"]),
    ("app/queue", &["app/store"]),
    ("app/render", &["app/source", "app/engine", "app/queue"]),
    ("app/live", &["app/render"]),
    ("app/builds", &["app/live"]),
    ("app/retention", &["app/store"]),
    ("app/state", &["app/builds"]),
    ("app/web", &["app/state"]),
    ("app/dispatch", &["app/web", "app/retention"]),
    ("main", &["shell", "app/dispatch"]),
];

/// A source file: its path below `src` without `.rs` or `/mod.rs`, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The layer of the longest folder name that its path begins with; none for the lists `lib.rs` and `app/mod.rs`.
    fn layer(&self) -> Option<&'static str> {
        layer_of(&self.path)
    }
}

fn layer_of(path: &str) -> Option<&'static str> {
    let begins = |layer: &str| {
        let rest = path.strip_prefix(layer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let layers = LAYERS.iter().map(|(layer, _)| *layer);
    layers
        .filter(|layer| begins(layer))
        .max_by_key(|layer| layer.len())
}

/// Whether the layer `from` stands above the layer `to`.
fn is_above(from: &str, to: &str) -> bool {
    let mut seen = vec![from];
    let mut next = 0;
    while let Some(layer) = seen.get(next) {
        let below = LAYERS.iter().find(|(name, _)| name == layer);
        for lower in below.expect("a layer of the table").1 {
            if !seen.contains(lower) {
                seen.push(lower);
            }
        }
        next += 1;
    }
    seen.contains(&to)
}

/// Every source file with its text.
fn files() -> Vec<File> {
    let mut files = Vec::new();
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            let below = path.strip_prefix(&src).expect("a source");
            let path = below.display().to_string();
            let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
            let path = path.to_string();
            files.push(File { path, text });
        }
    }
    assert!(files.len() > 30, "the sources are not where they were");
    files
}

/// The paths that a text names: `crate::a::{b, c::D}` gives `a/b` and `a/c/D`.
fn named_paths(text: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for rest in text
        .split("crate::")
        .skip(1)
        .chain(text.split("zigcheck::").skip(1))
    {
        let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let stem = rest[..end].trim_end_matches(':').replace("::", "/");
        let group = rest[end..].strip_prefix('{');
        match group.and_then(|group| group.split_once('}')) {
            Some((group, _)) => paths.extend(
                group
                    .split(',')
                    .map(|name| format!("{stem}/{}", name.trim())),
            ),
            None => paths.push(stem),
        }
    }
    paths
}

#[test]
fn layers_name_only_layers_below_them() {
    for file in files() {
        let Some(layer) = file.layer() else { continue };
        for path in named_paths(&file.text) {
            let named = layer_of(&path);
            assert!(
                named.is_none_or(|named| is_above(layer, named)),
                "{} names {path}",
                file.path
            );
        }
    }
}

#[test]
fn only_the_shell_touches_clocks_sockets_and_processes() {
    let foreign = [
        "Instant::now",
        "SystemTime::now",
        "TcpListener",
        "TcpStream",
        "UnixListener",
        "UnixStream",
        "process::Command",
        "mio::",
        "thread::sleep",
        "thread::spawn",
    ];
    for file in files() {
        for word in foreign {
            let may = file.layer() == Some("shell") && !word.starts_with("thread");
            assert!(
                may || !file.text.contains(word),
                "{} uses {word}",
                file.path
            );
        }
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    for File { path, text } in files() {
        let sql = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "PRAGMA "];
        let found = sql.iter().find(|word| text.contains(**word));
        let store = layer_of(&path) == Some("app/store");
        assert!(store || found.is_none(), "{path} holds {found:?}");
    }
}

/// Whoever asks is the same to this server as before: it keeps nothing in a browser, and asks for
/// nothing that is kept there.
#[test]
fn nobody_says_cookie() {
    for File { path, text } in files() {
        let text = text.to_ascii_lowercase();
        // A header's name is a literal: nothing comes to be one at run time.
        assert!(!text.contains("cookie\""), "{path}");
    }
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    for File { path, text } in files() {
        assert!(text.starts_with("//! "), "{path} does not say what it is");
        let lines = text.lines().count();
        assert!(lines <= 500, "{path} has {lines} lines");
        let long = text.lines().find(|line| line.chars().count() > 120);
        assert!(long.is_none(), "{path}: {long:?}");
    }
}

#[test]
fn functions_stay_short() {
    for File { path, text } in files() {
        let mut start = None;
        for (number, line) in text.lines().enumerate() {
            let word = line.trim_start();
            let indent = line.len() - word.len();
            let is_fn = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "const fn ",
            ];
            if indent <= 4 && is_fn.iter().any(|begin| word.starts_with(begin)) {
                start = Some((number, indent));
            } else if let Some((from, of)) = start
                && line.len() == of + 1
                && word == "}"
            {
                let lines = number - from + 1;
                assert!(lines <= 70, "{path}:{} has {lines} lines", from + 1);
                start = None;
            }
        }
    }
}

/// ARCHITECTURE.md has a row for each layer, and names no file that is not there.
#[test]
fn the_picture_names_the_layers_there_are() {
    let picture = std::fs::read_to_string("ARCHITECTURE.md").expect("the picture");
    for (layer, _) in LAYERS {
        let row = format!("| `{layer}");
        assert!(picture.contains(&row), "ARCHITECTURE.md has no row {row}");
    }
    for word in picture.split('`').filter(|word| word.ends_with(".rs")) {
        let places = [word.to_string(), format!("src/{word}")];
        let there = places.iter().any(|place| Path::new(place).exists());
        assert!(there, "ARCHITECTURE.md names {word}");
    }
}
