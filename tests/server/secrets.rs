//! The admin's token is in no line of the log and in no answer, whatever is done with it.

use crate::common::settings::FETCH_NETWORK;
use crate::common::standin;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, curl, url_in};

const TOKEN: &str = "correct-horse-battery-staple";
/// As near to it as a guess can be.
const GUESS: &str = "correct-horse-battery-stable";

fn log_with(path: &std::path::Path, words: &str) -> String {
    let start = Instant::now();
    loop {
        let log = std::fs::read_to_string(path).expect("a log");
        if log.contains(words) {
            return log;
        }
        assert!(start.elapsed() < PATIENCE, "never {words:?}: {log}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_token_is_told_to_nobody() {
    let (dir, docker) = standin::standin("secrets");
    let (file, log) = (dir.join("token"), dir.join("log"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&file).expect("a file");
    std::io::Write::write_all(&mut &written, TOKEN.as_bytes()).expect("a file");
    let mut child = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--listen", "127.0.0.1:0", "--log-level", "debug"])
        .args(["--docker", &docker, "--zig-versions", "0.16.0"])
        .arg("--data")
        .arg(dir.join("data"))
        .arg("--admin-token-file")
        .arg(&file)
        .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a file"))
        .spawn()
        .expect("the binary is built");
    let url = url_in(&log_with(&log, "listens on ")).expect("an address");

    let data = format!("@{}", standin::tree().display());
    let check = format!("{url}/api/check?name=good");
    assert_eq!(curl(&["--data-binary", &data], &check).status, 202);
    let mut answers = Vec::new();
    for word in [TOKEN, GUESS] {
        let right = format!("Authorization: Bearer {word}");
        let odd = format!("Authorization: Basic {word}");
        let cookie = format!("Cookie: token={word}");
        let trigger = format!("{{\"package_name\": \"{word}\"}}");
        for (args, path) in [
            (vec!["-H", &right], "/admin/status".to_string()),
            (vec!["-H", &odd], "/admin/status".to_string()),
            (vec!["-H", &cookie], format!("/admin/status?token={word}")),
            (
                vec!["-H", &right, "-H", &right],
                "/admin/status".to_string(),
            ),
            (
                vec!["-H", &right, "-X", "POST"],
                "/admin/check-builds".to_string(),
            ),
            (
                vec!["-H", &right, "-X", "DELETE"],
                "/api/builds/1".to_string(),
            ),
            (
                vec!["-H", &right, "-d", &trigger],
                "/admin/trigger-build".to_string(),
            ),
            (
                vec!["-H", &right, "-d", &trigger],
                "/api/packages".to_string(),
            ),
            (vec!["-H", &right], format!("/{word}")),
        ] {
            let answer = curl(&args, &format!("{url}{path}"));
            assert!(!answer.body.contains(word), "{path}: {}", answer.body);
            answers.push(answer.status);
        }
    }
    // Both were taken for what they are.
    assert_eq!((answers[0], answers[9]), (200, 403));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    assert!(child.wait().expect("it is ours").success());
    let log = log_with(&log, "check 1 of \"good\", of 1 builds");
    for word in [TOKEN, GUESS] {
        assert!(!log.contains(word), "{log}");
    }
}
