//! A disk that fills while a log is written; alone in its program, as the limit on file sizes holds for all of it.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use zigcheck::app::live::log::{Layout, Log};

fn limit_files_to(bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    setrlimit(Resource::Fsize, limit).unwrap();
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn what_the_disk_took_is_kept_and_the_rest_is_said() {
    // The signal that comes with the limit would end the program; handled, the write fails instead.
    const SIGXFSZ: i32 = 25;
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).unwrap();
    full_before_the_ring_turns();
    full_when_the_ring_has_turned();
}

fn full_before_the_ring_turns() {
    let path = path("full.log");
    let mut log = Log::with_layout(
        &path,
        Layout {
            head_bytes: 100,
            tail_bytes: 300,
        },
    )
    .unwrap();
    limit_files_to(Some(150));
    log.append(&[b'a'; 120]).unwrap();
    assert!(log.append(&[b'b'; 120]).is_err());
    log.append(&[b'c'; 60]).unwrap();
    limit_files_to(None);
    let line = "\n[zigcheck: 150 bytes cut here]\n";
    let expected = ["a".repeat(120), "b".repeat(30), line.to_string()].concat();
    let mut out = Vec::new();
    assert_eq!(log.read_at(0, 1000, &mut out).unwrap(), 300);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(log.is_truncated());
    log.finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
}

fn full_when_the_ring_has_turned() {
    let path = path("full.ring.log");
    let mut log = Log::with_layout(
        &path,
        Layout {
            head_bytes: 100,
            tail_bytes: 300,
        },
    )
    .unwrap();
    log.append(&[b'h'; 100]).unwrap();
    log.append(&[b't'; 700]).unwrap();
    limit_files_to(Some(200));
    assert!(log.finish().is_err(), "there is no room for the plain file");
    limit_files_to(None);
    let expected = [
        "h".repeat(100),
        "\n[zigcheck: 700 bytes cut here]\n".to_string(),
    ]
    .concat();
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let mut out = Vec::new();
    assert_eq!(log.read_at(0, 1000, &mut out).unwrap(), 800);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(!path.with_extension("log.part").exists());
}
