//! Those who submit, those who upload what is large, and those who look at verdicts meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use zigcheck::app::builds::limits::ERRORS_LIMIT;

use crate::common::http::ask;
use crate::common::load::{Load, Promise};
use crate::common::noise::{Ending, Noise};
use crate::common::seed::Seed;
use crate::service::Service;

/// Large beside the disk, so that an upload often meets its end.
const LARGE_BYTES: usize = 3 << 20;
/// Large trees that wait or run. On a slow machine more of them would fill the disk by themselves, and leave
/// nothing for the test to fill.
const LARGE_OPEN_LIMIT: usize = 3;

/// What was told of a build that had its verdict: all that must never change again.
pub type Verdicts = BTreeMap<i64, Value>;

pub struct People {
    pub load: Arc<Load>,
    others: Mutex<Vec<JoinHandle<()>>>,
    reader: Mutex<Option<JoinHandle<Verdicts>>>,
    answered: Arc<AtomicUsize>,
}

impl People {
    pub fn come(to: SocketAddr) -> People {
        let load = Arc::new(Load::new(to));
        let others = (0..3).map(|client| {
            let load = load.clone();
            std::thread::spawn(move || load.submit(100 + client))
        });
        let mut others: Vec<_> = others.collect();
        let large = load.clone();
        others.push(std::thread::spawn(move || upload_large(&large)));
        let answered = Arc::new(AtomicUsize::new(0));
        let (of_reader, load_of_reader) = (answered.clone(), load.clone());
        let reader = std::thread::spawn(move || read(&load_of_reader, &of_reader));
        People {
            load,
            others: Mutex::new(others),
            reader: Mutex::new(Some(reader)),
            answered,
        }
    }

    /// How many builds were promised so far, and how many verdicts were seen.
    pub fn progress(&self) -> (usize, usize) {
        let promised = self.load.promised.load(Ordering::Relaxed);
        (promised, self.answered.load(Ordering::Relaxed))
    }

    /// The verdicts that were seen, once all clients have stopped.
    pub fn leave(&self) -> Verdicts {
        self.load.over.store(true, Ordering::Relaxed);
        for other in self.others.lock().expect("no panic").drain(..) {
            other.join().expect("who fails has said why");
        }
        let reader = self.reader.lock().expect("no panic").take();
        let reader = reader.expect("they leave once");
        reader.join().expect("who fails has said why")
    }

    /// How many were told something that begins so.
    pub fn count(&self, begin: &str) -> usize {
        let refused = self.load.refused.lock().expect("no panic");
        refused
            .iter()
            .filter(|told| told.starts_with(begin))
            .count()
    }

    /// Every build that somebody was promised has its verdict, the true one or that it was our
    /// doing; each verdict that was told is told again, unchanged; nobody was told nonsense.
    pub fn check(&self, service: &Service, seen: &Verdicts) {
        let promises = self.load.promises.lock().expect("no panic");
        for promise in promises.iter() {
            for (build, version) in &promise.builds {
                let told = service.get(&format!("/api/builds/{build}"));
                let told = told.unwrap_or_else(|| panic!("build {build} is not there"));
                assert_eq!(told["check"], promise.check, "{told}");
                assert_eq!(told["zig_version"], version.as_str(), "{told}");
                assert_eq!(told["state"], "finished", "{told}");
                assert!(is_true(&promise.package, &told), "{told}");
            }
        }
        for (build, verdict) in seen {
            let told = service.get(&format!("/api/builds/{build}"));
            let told = told.unwrap_or_else(|| panic!("build {build} is not there"));
            assert_eq!(&lasting(&told), verdict, "build {build}");
        }
        let refused = self.load.refused.lock().expect("no panic");
        let other = refused
            .iter()
            .find(|told| !["503", "507", "429"].contains(&&told[..3]));
        assert_eq!(other, None);
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.load.over.store(true, Ordering::Relaxed);
    }
}

/// True for the verdict of the package itself, and for an error of ours that was retried as often as it may be: the end
/// of the disk interrupts attempts, and large sources more often than others.
fn is_true(package: &str, told: &Value) -> bool {
    if told["build_status"] == "error" {
        return told["attempt"].as_u64() >= Some(u64::from(ERRORS_LIMIT));
    }
    let words = json!([told["build_status"], told["test_status"], told["reason"]]);
    words
        == match Noise::of(package).map(|noise| noise.ending) {
            None | Some(Ending::Success) => json!(["success", "success", null]),
            Some(Ending::Failed) => json!(["failed", null, "compile_error"]),
            Some(Ending::Starved) => json!(["success", "failed", "out_of_memory"]),
        }
}

/// All of a finished build that stays.
fn lasting(told: &Value) -> Value {
    let mut told = told.clone();
    // By its check: it comes with the answer, and is no part of a verdict.
    let fields = told.as_object_mut().expect("a build");
    fields.remove("queue_position");
    told
}

/// Reads the newest verdicts again and again, each of them once more at times.
fn read(load: &Load, answered: &AtomicUsize) -> Verdicts {
    let mut seen = Verdicts::new();
    while !load.over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
        let target = "/api/builds?state=finished&sort=-id&limit=100";
        let Ok(answer) = ask(load.to, "GET", target, b"") else {
            continue; // It died, or is dead.
        };
        if answer.status != 200 {
            continue;
        }
        let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let total = list["total"].as_u64().expect("a number");
        load.finished.store(total as usize, Ordering::Relaxed);
        for told in list["builds"].as_array().expect("builds") {
            let build = told["id"].as_i64().expect("an id");
            let verdict = lasting(told);
            let known = seen.entry(build).or_insert_with(|| {
                answered.fetch_add(1, Ordering::Relaxed);
                verdict.clone()
            });
            assert_eq!(*known, verdict, "build {build}");
        }
    }
    seen
}

/// Trees that are none of a program: what is in them does not matter, but that they are large.
fn upload_large(load: &Load) {
    let mut chance = Seed(7);
    let mut number = 70_000_000;
    let mut open: Vec<i64> = Vec::new();
    while !load.over.load(Ordering::Relaxed) {
        open.retain(|build| !is_finished(load.to, *build));
        if open.len() >= LARGE_OPEN_LIMIT {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        number += 1;
        let package = format!("noise-{number}");
        let mut tar = tar::Builder::new(Vec::new());
        let bytes = chance.bytes(LARGE_BYTES);
        let mut head = tar::Header::new_gnu();
        head.set_size(bytes.len() as u64);
        let added = tar.append_data(&mut head, "build.zig", &bytes[..]);
        added.expect("an entry");
        let body = tar.into_inner().expect("a tar");
        let target = format!("/api/check?name={package}&zig_versions=0.16.0");
        std::thread::sleep(Duration::from_millis(chance.between(50, 300) as u64));
        // A refusal before the end of the body may be lost: the server has hung up.
        let Ok(answer) = ask(load.to, "POST", &target, &body) else {
            continue;
        };
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        if answer.status != 202 {
            let refusal = format!("{} {told}", answer.status);
            load.refused.lock().expect("no panic").push(refusal);
            continue;
        }
        let build = told["builds"][0]["id"].as_i64().expect("an id");
        open.push(build);
        load.promised.fetch_add(1, Ordering::Relaxed);
        load.promises.lock().expect("no panic").push(Promise {
            check: told["check"].as_i64().expect("an id"),
            package,
            builds: vec![(build, "0.16.0".to_string())],
        });
    }
}

/// True if the server says so; false while it does not answer.
fn is_finished(to: SocketAddr, build: i64) -> bool {
    let answer = ask(to, "GET", &format!("/api/builds/{build}"), b"");
    let body = answer.ok().filter(|answer| answer.status == 200);
    let row = body.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
    row.is_some_and(|row| row["state"] == "finished")
}
