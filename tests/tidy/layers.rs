//! The layers, and what only some of them may use.

use std::path::Path;

use crate::text::{File, sources};

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
    ("commands", &["shell", "app/builds"]),
    ("notify/store", &["app/domain"]),
    ("notify", &["shell", "notify/store"]),
    ("notify_main", &["notify", "commands"]),
    ("main", &["commands", "app/dispatch"]),
];

/// The layer of the longest folder name that a path begins with; none for the lists `lib.rs` and `app/mod.rs`.
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

/// True if the layer `to` is `from` itself or below it.
fn may_name(from: &str, to: &str) -> bool {
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

#[test]
fn layers_name_only_layers_below_them() {
    for file in sources() {
        let Some(layer) = layer_of(file.module()) else {
            continue;
        };
        for path in file.named_paths() {
            let named = layer_of(&path);
            assert!(
                named.is_none_or(|named| may_name(layer, named)),
                "{} names {path}, which is not below {layer}",
                file.path
            );
        }
    }
}

#[test]
fn only_the_shell_uses_clocks_sockets_and_processes() {
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
    for file in sources() {
        for word in foreign {
            let in_shell = layer_of(file.module()) == Some("shell");
            let may = in_shell && !word.starts_with("thread");
            assert!(
                may || !file.text.contains(word),
                "{} uses {word}",
                file.path
            );
        }
    }
}

#[test]
fn only_the_store_contains_sql() {
    for file in sources() {
        let sql = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM", "PRAGMA "];
        let found = sql.iter().find(|word| file.text.contains(**word));
        let in_store = matches!(layer_of(file.module()), Some("app/store" | "notify/store"));
        assert!(in_store || found.is_none(), "{} holds {found:?}", file.path);
    }
}

/// The server keeps nothing in a browser, so no page of another site can act in a reader's name.
#[test]
fn no_header_is_a_cookie() {
    for File { path, text } in sources() {
        // A header's name is a literal: none is put together at run time.
        let text = text.to_ascii_lowercase();
        assert!(!text.contains("cookie\""), "{path} names a cookie");
    }
}

#[test]
fn architecture_has_a_row_for_each_layer() {
    let text = std::fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md");
    for (layer, _) in LAYERS {
        let row = format!("| `{layer}");
        assert!(text.contains(&row), "ARCHITECTURE.md has no row {row}");
    }
}

#[test]
fn files_that_are_named_exist() {
    for page in ["ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(page).expect(page);
        // A name without a folder is in the one that was named before.
        let has_folder = |word: &str| word.contains('/') || page == "ARCHITECTURE.md";
        let is_file =
            |word: &&str| word.ends_with(".rs") && has_folder(word) && !word.ends_with("/TABLE.rs");
        for word in text.split('`').filter(is_file) {
            let places = [word.to_string(), format!("src/{word}")];
            let exists = places.iter().any(|place| Path::new(place).exists());
            assert!(exists, "{page} names {word}, which does not exist");
        }
    }
}
