//! The notifier without its loop: who asked, what is sent, and what answers mean.

mod config;
mod curl;
mod forges;
mod issues;
mod lookups;
mod outcomes;
mod runs;
mod store;
mod stream;
mod texts;

use std::path::Path;

use serde_json::{Value, json};
use zigcheck::notify::config::Config;
use zigcheck::notify::facts::Facts;

/// A configuration that asks for everything of `zeit`.
pub fn everything() -> Value {
    json!({
        "server": "http://127.0.0.1:3000",
        "public_url": "https://zig.example.org/",
        "token_file": "token",
        "webhook_secret_file": "secret",
        "mail": { "from": "zigcheck@example.org" },
        "forges": [
            { "kind": "github", "url": "https://github.com", "token_file": "github", "owners": true },
            { "kind": "forgejo", "url": "https://codeberg.org", "token_file": "forgejo" },
            { "kind": "gitlab", "url": "https://gitlab.example.org/git/", "token_file": "gitlab" },
        ],
        "packages": [{
            "package": "zeit",
            "notify": ["status", "issue"],
            "webhooks": ["https://hooks.example.org/zig?a=b"],
            "mail": ["me@example.org"],
        }],
    })
}

/// Reads a configuration; each secret is the name of its file.
pub fn read(value: &Value) -> Result<Config, String> {
    let secret = |path: &Path| Ok(format!("{}-secret\n", path.display()));
    Config::read(&value.to_string(), &secret)
}

pub fn config() -> Config {
    read(&everything()).unwrap()
}

/// What is known of an event of that type: `zeit` under 0.16.0.
pub fn facts(kind: &str, build: &Value, url: &str) -> Facts {
    let mut known = json!({
        "id": 7,
        "package": "zeit",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "state": "finished",
        "build_status": "failed",
        "detail": "compile error",
        "error_log": "src/a.zig:1:2: error: no member named 'x'",
        "finished_at": "2026-11-28T15:29:36.165Z",
    });
    for (name, value) in build.as_object().unwrap() {
        known[name] = value.clone();
    }
    Facts(json!({
        "event": {
            "seq": 12,
            "type": kind,
            "id": 7,
            "package": "zeit",
            "zig_version": "0.16.0",
            "state": known["state"],
            "at": "2026-11-28T15:29:36.165Z",
        },
        "build": known,
        "package": { "name": "zeit", "url": url },
    }))
}

pub const GITHUB: &str = "https://github.com/x/zeit";
