//! Clients that submit for as long as the server lives, and remember what they were promised.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::http::ask;
use crate::common::seed::Seed;

/// Builds that wait or run, above which no more is submitted: all are to come to their end.
const OPEN_LIMIT: usize = 32;
/// Trees that are submitted again and again: known, or shared while they are built.
const KNOWN_TREES: usize = 6;

/// What an answer with 201 or 202 promised.
pub struct Promise {
    pub check: i64,
    pub package: String,
    pub builds: Vec<(i64, String)>,
}

pub struct Load {
    pub to: SocketAddr,
    pub over: AtomicBool,
    pub promises: Mutex<Vec<Promise>>,
    /// Builds promised, and of these those that were seen finished.
    pub promised: AtomicUsize,
    pub finished: AtomicUsize,
    /// Answers that were no promise.
    pub refused: Mutex<Vec<String>>,
}

impl Load {
    pub fn new(to: SocketAddr) -> Load {
        Load {
            to,
            over: AtomicBool::new(false),
            promises: Mutex::default(),
            promised: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
            refused: Mutex::default(),
        }
    }

    pub fn submit(&self, seed: u64) {
        let mut chance = Seed(seed);
        let mut number = 0;
        while !self.over.load(Ordering::Relaxed) {
            let promised = self.promised.load(Ordering::Relaxed);
            let open = promised.saturating_sub(self.finished.load(Ordering::Relaxed));
            let pause_ms = chance.below(12) as u64;
            std::thread::sleep(Duration::from_millis(pause_ms));
            if open >= OPEN_LIMIT {
                continue;
            }
            number += 1;
            self.submit_one(&mut chance, seed * 100_000 + number);
        }
    }

    fn submit_one(&self, chance: &mut Seed, number: u64) {
        let both = chance.once_in(3);
        let versions: &[&str] = match (both, chance.once_in(2)) {
            (true, _) => &["0.17.1", "0.16.0"],
            (false, true) => &["0.17.1"],
            (false, false) => &["0.16.0"],
        };
        let noise = match chance.once_in(8) {
            true => "good".to_string(),
            false => format!("noise-{number}"),
        };
        let (package, target, body) = match chance.below(10) {
            0..3 => by_url(&format!("noise-{number}"), versions),
            3 => by_url(&format!("noise-deps-{number}"), versions),
            4..6 => {
                // By the same name each time, as what is in it says what becomes of it.
                let known = chance.below(KNOWN_TREES);
                upload(&format!("noise-{known}"), &format!("{known}"), versions)
            }
            _ => upload(&noise, &format!("of {number}"), versions),
        };
        let Ok(answer) = ask(self.to, "POST", &target, &body) else {
            return; // It died, or is dead.
        };
        let value: Value = serde_json::from_slice(&answer.body).expect("JSON");
        if !matches!(answer.status, 201 | 202) {
            let refusal = format!("{} {value}", answer.status);
            self.refused.lock().expect("no panic").push(refusal);
            return;
        }
        let builds = value["builds"].as_array().expect("builds");
        let build = |build: &Value| {
            let version = build["zig_version"].as_str().expect("a version");
            (build["id"].as_i64().expect("an id"), version.to_string())
        };
        let promise = Promise {
            check: builds[0]["check"].as_i64().expect("a check"),
            package,
            builds: builds.iter().map(build).collect(),
        };
        assert_eq!(promise.builds.len(), versions.len(), "{value}");
        self.promised
            .fetch_add(promise.builds.len(), Ordering::Relaxed);
        self.promises.lock().expect("no panic").push(promise);
    }
}

fn by_url(name: &str, versions: &[&str]) -> (String, String, Vec<u8>) {
    let url = format!("https://github.com/somebody/{name}");
    let body = json!({"url": url, "name": name, "zig_versions": versions});
    let target = "/api/packages".to_string();
    (name.to_string(), target, body.to_string().into_bytes())
}

fn upload(name: &str, text: &str, versions: &[&str]) -> (String, String, Vec<u8>) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut head = tar::Header::new_gnu();
    head.set_size(text.len() as u64);
    head.set_mode(0o644);
    let added = tar.append_data(&mut head, "build.zig", text.as_bytes());
    added.expect("an entry");
    let versions = versions.join(",");
    let target = format!("/api/check?name={name}&zig_versions={versions}");
    (name.to_string(), target, tar.into_inner().expect("a tar"))
}
