//! The layers and the measures of the house, checked so that nobody has to remember them.

use std::collections::BTreeMap;
use std::path::Path;

/// Which rooms a room may name. Rooms not listed here fail the test: give them their place.
const SHELL: &[&str] = &[
    "client",
    "clock",
    "disk",
    "journal",
    "listen",
    "process",
    "reactor",
    "readiness",
    "service",
    "signal",
];
const PROTOCOLS: &[&str] = &["answer", "body", "conn", "http", "intake", "ws"];
const CORE: &[&str] = &[
    "allowance",
    "api",
    "app",
    "archive",
    "build",
    "calls",
    "changes",
    "check",
    "conditional",
    "docker",
    "engine",
    "errand",
    "feed",
    "fitness",
    "follow",
    "forecast",
    "gather",
    "git_url",
    "history",
    "job",
    "log",
    "logs",
    "matrix",
    "origin",
    "outbox",
    "page",
    "popularity",
    "printable",
    "query",
    "recheck",
    "repository",
    "rows",
    "sheet",
    "source",
    "space",
    "store",
    "table",
    "target",
    "tarhead",
    "tree",
    "turns",
    "unpack",
    "upload",
    "verdict",
    "views",
    "watch",
    "work",
    "zstd",
];
const WORDS: &[&str] = &["config", "event", "message"];
const LEAVES: &[&str] = &["bucket", "buffer", "crowd", "slab", "unseen"];

fn allowed(room: &str) -> Vec<&'static str> {
    let layers: &[&[&str]] = match room {
        _ if SHELL.contains(&room) => &[SHELL, PROTOCOLS, WORDS, LEAVES],
        _ if PROTOCOLS.contains(&room) => &[PROTOCOLS, WORDS, LEAVES],
        _ if CORE.contains(&room) => &[CORE, WORDS, LEAVES],
        _ if WORDS.contains(&room) => &[WORDS, LEAVES],
        _ if LEAVES.contains(&room) => &[LEAVES, WORDS],
        "main" | "lib" => &[SHELL, PROTOCOLS, CORE, WORDS, LEAVES],
        _ => panic!("{room} has no place in a layer"),
    };
    layers.concat()
}

/// Every source file with its text; the files of a folder belong to the room of that name.
fn files() -> Vec<(String, String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a text");
            let below = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("ours");
            let room = below.components().nth(1).expect("a room");
            let room = room.as_os_str().to_string_lossy().replace(".rs", "");
            files.push((room, below.display().to_string(), text));
        }
    }
    assert!(files.len() > 30, "the sources are not where they were");
    files
}

#[test]
fn rooms_name_only_rooms_they_may() {
    for (room, path, text) in files() {
        let allowed = allowed(&room);
        let names = text.split("crate::").skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        });
        for name in names.filter(|name| !name.is_empty() && *name != "words") {
            assert!(
                name == room || allowed.contains(&name),
                "{path} names {name}"
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
    for (room, path, text) in files() {
        for word in foreign {
            let may = SHELL.contains(&room.as_str()) && !word.starts_with("thread");
            assert!(may || !text.contains(word), "{path} uses {word}");
        }
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    for (room, path, text) in files() {
        let sql = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "PRAGMA "];
        let found = sql.iter().find(|word| text.contains(**word));
        assert!(room == "store" || found.is_none(), "{path} holds {found:?}");
    }
}

/// Whoever asks is the same to this server as before: it keeps nothing in a browser, and asks for
/// nothing that is kept there.
#[test]
fn nobody_says_cookie() {
    for (_, path, text) in files() {
        let text = text.to_ascii_lowercase();
        // A header's name is a literal: nothing comes to be one at run time.
        assert!(!text.contains("cookie\""), "{path}");
    }
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    for (_, path, text) in files() {
        assert!(text.starts_with("//! "), "{path} does not say what it is");
        let lines = text.lines().count();
        assert!(lines <= 500, "{path} has {lines} lines");
        let long = text.lines().find(|line| line.chars().count() > 120);
        assert!(long.is_none(), "{path}: {long:?}");
    }
}

#[test]
fn functions_stay_short() {
    for (_, path, text) in files() {
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

#[test]
fn the_picture_names_the_rooms_there_are() {
    let picture = std::fs::read_to_string("ARCHITECTURE.md").expect("the picture");
    let mut rooms: BTreeMap<String, bool> = BTreeMap::new();
    for (_, path, _) in files() {
        let name = path.trim_start_matches("src/").to_string();
        let named = picture.contains(&format!("`{name}`"));
        rooms.insert(name, named);
    }
    rooms.remove("lib.rs");
    let missing: Vec<&String> = rooms.iter().filter(|(_, n)| !**n).map(|(r, _)| r).collect();
    assert!(missing.is_empty(), "not in ARCHITECTURE.md: {missing:?}");
    for word in picture.split('`').filter(|word| word.ends_with(".rs")) {
        let path = if word.contains("tests/") {
            word.to_string()
        } else {
            format!("src/{word}")
        };
        assert!(Path::new(&path).exists(), "ARCHITECTURE.md names {word}");
    }
}
