//! The server as a service: whenever it ends in failure it is started again, a moment later.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::http::ask;
use crate::common::server::scratch;
use crate::common::standin::{free_address, spawn_at, standin};

/// Shorter than that of the real unit, so that there are more starts on a full disk.
const RESTART_MS: u64 = 100;

pub struct Service {
    pub to: SocketAddr,
    keeper: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    over: AtomicBool,
    ends: AtomicUsize,
    server: Mutex<Option<u32>>,
    log: PathBuf,
    signals: &'static [i32],
}

impl Service {
    /// It may end by these signals.
    pub fn start(name: &str, data: PathBuf, signals: &'static [i32]) -> Service {
        let (_, docker) = standin(name);
        let log = scratch(&format!("{name}.log"));
        let _ = fs::remove_file(&log);
        let to = free_address(name.len() as u16);
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            ends: AtomicUsize::new(0),
            server: Mutex::new(None),
            log,
            signals,
        });
        let ours = shared.clone();
        let keeper = std::thread::spawn(move || ours.keep(to, &data, &docker));
        Service {
            to,
            keeper: Some(keeper),
            shared,
        }
    }

    /// What is answered with 200, if anybody is there to answer it.
    pub fn get(&self, target: &str) -> Option<Value> {
        let answer = ask(self.to, "GET", target, b"").ok()?;
        (answer.status == 200).then(|| serde_json::from_slice(&answer.body).expect("JSON"))
    }

    /// How often it ended in failure.
    pub fn ends(&self) -> usize {
        self.shared.ends.load(Ordering::Relaxed)
    }

    /// Asks it to stop, and waits for that. It has never said that it panicked.
    pub fn stop(mut self) {
        self.end();
        let said = fs::read_to_string(&self.shared.log).expect("a log");
        assert!(!said.contains("panicked"), "see {:?}", self.shared.log);
    }

    /// Asks it to stop, as who replaces the program does; another follows.
    pub fn restart(&self) {
        self.shared.signal();
    }

    fn end(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.shared.signal();
        if let Some(keeper) = self.keeper.take() {
            let kept = keeper.join();
            assert!(kept.is_ok() || std::thread::panicking(), "see above");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn signal(&self) {
        let server = *self.server.lock().expect("no panic");
        if let Some(pid) = server.and_then(|pid| Pid::from_raw(pid as i32)) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    fn keep(&self, to: SocketAddr, data: &Path, docker: &str) {
        while !self.over.load(Ordering::Relaxed) {
            let mut child = spawn_at(to, data, docker, &self.log);
            *self.server.lock().expect("no panic") = Some(child.id());
            if self.over.load(Ordering::Relaxed) {
                let _ = child.kill();
            }
            let ended = child.wait().expect("it is ours");
            *self.server.lock().expect("no panic") = None;
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            // As it was asked to, or by its own decision, with one line that says why.
            let by_itself = matches!(ended.code(), Some(0 | 1));
            let signalled = ended.signal().is_some_and(|by| self.signals.contains(&by));
            assert!(by_itself || signalled, "{ended}, see {:?}", self.log);
            let failed = usize::from(!ended.success());
            self.ends.fetch_add(failed, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(RESTART_MS));
        }
    }
}
