//! The protocol with a service manager, and log lines for the journal.

use crate::common::settings::FETCH_NETWORK;
use crate::common::standin;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, curl, scratch, url_in};
use rustix::process::{Pid, Signal, kill_process};

struct Service {
    child: Child,
    messages: UnixDatagram,
    log: PathBuf,
    docker: PathBuf,
    url: String,
}

impl Service {
    fn start(name: &str, env: &[(&str, &str)]) -> Service {
        let (docker, command) = standin::standin(name);
        let data = scratch(name);
        let _ = std::fs::remove_dir_all(&data);
        std::fs::create_dir_all(&data).expect("a directory");
        let socket = data.join("notify");
        let messages = UnixDatagram::bind(&socket).expect("a socket");
        let patience = Some(PATIENCE);
        messages.set_read_timeout(patience).expect("a limit");
        let log = data.join("log");
        let file = File::create(&log).expect("a file");
        let stat = file.metadata().expect("it is there");
        let child = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
            .args(["--listen", "127.0.0.1:0", "--docker", &command, "--data"])
            .arg(&data)
            .env(FETCH_NETWORK.0, FETCH_NETWORK.1)
            .env("NOTIFY_SOCKET", &socket)
            .env("JOURNAL_STREAM", format!("{}:{}", stat.dev(), stat.ino()))
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the binary is built");
        let mut service = Service {
            child,
            messages,
            log,
            docker,
            url: String::new(),
        };
        assert_eq!(
            service.next_message(),
            "READY=1\nSTATUS=0 builds run, 0 wait\n"
        );
        service.url = url_in(&service.log()).expect("where it listens");
        service
    }

    fn next_message(&self) -> String {
        let mut bytes = [0; 1024];
        let count = self.messages.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    fn wait_for_success(&mut self) {
        let status = self.child.wait().expect("it is ours");
        assert!(status.success(), "{status}");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_service_manager_is_told_the_load_and_once_of_a_stop() {
    let mut service = Service::start("notify", &[]);
    let data = format!("@{}", standin::tree().display());
    let url = format!("{}/api/check?name=slowly&zig_versions=0.16.0", service.url);
    // The first second after READY is quiet.
    std::thread::sleep(Duration::from_millis(1_100));
    assert_eq!(curl(&["--data-binary", &data], &url).status, 202);
    let mut told = service.next_message();
    while told != "STATUS=1 build runs, 0 wait\n" {
        assert!(told.starts_with("STATUS="), "{told}");
        // A turn that happens anyway.
        std::thread::sleep(Duration::from_millis(1_100));
        curl(&[], &format!("{}/api/health", service.url));
        told = service.next_message();
    }
    service.signal(Signal::TERM);
    assert_eq!(service.next_message(), "STOPPING=1\n");
    service.wait_for_success();
    let wait = Some(Duration::from_millis(100));
    service.messages.set_read_timeout(wait).expect("a limit");
    assert!(service.messages.recv(&mut [0; 99]).is_err());
    standin::let_go(&service.docker);
}

#[test]
fn the_watchdog_is_fed_twice_in_its_interval_and_not_by_a_loop_that_hangs() {
    // What comes late is only ever late: the least time is counted from the start.
    let began = Instant::now();
    let service = Service::start("watchdog", &[("WATCHDOG_USEC", "400000")]);
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        let before = Instant::now();
        assert_eq!(service.next_message(), "WATCHDOG=1\n");
        shortest = shortest.min(before.elapsed());
    }
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_900), "{took:?}");
    assert!(shortest < Duration::from_millis(400), "{shortest:?}");
    // The loop hangs within a turn from here; messages from before may still lie there.
    service.signal(Signal::USR2);
    let wait = Some(Duration::from_millis(1_000));
    service.messages.set_read_timeout(wait).expect("a limit");
    let hung = Instant::now();
    while service.messages.recv(&mut [0; 99]).is_ok() {
        assert!(hung.elapsed() < PATIENCE / 10, "a loop that hangs is alive");
    }
}

#[test]
fn the_watchdog_of_another_process_is_not_fed() {
    let env = [("WATCHDOG_USEC", "100000"), ("WATCHDOG_PID", "1")];
    let service = Service::start("watchdog-of-another", &env);
    let wait = Some(Duration::from_millis(500));
    service.messages.set_read_timeout(wait).expect("a limit");
    assert!(service.messages.recv(&mut [0; 99]).is_err());
}

#[test]
fn a_drain_ends_an_idle_server() {
    let mut service = Service::start("drain", &[]);
    service.signal(Signal::USR1);
    service.wait_for_success();
    assert_eq!(service.next_message(), "STOPPING=1\n");
}

#[test]
fn the_journal_gets_priorities_and_no_times() {
    let service = Service::start("journal", &[]);
    let log = service.log();
    let first = log.lines().next().expect("a line");
    assert!(first.starts_with("<6>zigcheck "), "{log}");
    let known = |line: &str| line.starts_with('<') && line[2..].starts_with('>');
    assert!(log.lines().all(known), "{log}");
}

#[test]
fn a_refusal_to_start_is_an_error_in_the_journal() {
    let log = scratch("journal-fatal");
    let file = File::create(&log).expect("a file");
    let stat = file.metadata().expect("it is there");
    let status = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["--max-builds", "none"])
        .env("JOURNAL_STREAM", format!("{}:{}", stat.dev(), stat.ino()))
        .stderr(file)
        .status();
    assert_eq!(status.expect("the binary is built").code(), Some(2));
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(text.starts_with("<3>--max-builds none: must be "), "{text}");
}
