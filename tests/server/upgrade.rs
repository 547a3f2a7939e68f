//! A newer program on the data of an older one: the upgrade of the schema is tried on a copy first.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::common::landed::Landed;
use crate::common::server::{curl, ends_with_its_parent, scratch, url_in};

const FLAGS: [&str; 4] = ["--docker", "/bin/false", "--zig-versions", "0.16.0"];

/// Runs these statements on the database of a server that has ended.
fn change(data: &Path, sql: &str) {
    let db = Connection::open(data.join("zigcheck.db")).expect("a database");
    db.execute_batch(sql).expect("statements");
}

#[test]
fn an_upgrade_that_fails_on_a_copy_ends_the_server_and_changes_nothing() {
    let data = scratch("upgrade").join("data");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).expect("a directory");
    // As an older program left it, with a row that refers to nothing.
    Landed::of(19).make(&data.join("zigcheck.db"));
    let older = "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = DELETE; \
        INSERT INTO issues (package_id, zig_version, created_at) VALUES (77, '0.16.0', 1);";
    change(&data, older);
    let file = || std::fs::read(data.join("zigcheck.db")).expect("a database");
    let before = file();

    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command
        .args(FLAGS)
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(&data);
    ends_with_its_parent(&mut command, Signal::TERM);
    let output = command.output().expect("the binary is built");
    // No restart would help.
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    // That it begins, and why it ends.
    assert_eq!(said.lines().count(), 2, "{said}");
    let wanted = "was tried on a copy and failed; it stays as it was: a row of issues refers to no row of packages";
    assert!(
        said.contains("the database: its upgrade from schema 19 to ") && said.contains(wanted),
        "{said}"
    );
    assert!(file() == before, "the database is another one");
    assert!(!data.join("zigcheck.db.upgrade").exists());

    change(&data, "DELETE FROM issues WHERE package_id = 77");
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut lines = lines.map(|line| line.expect("text"));
    let first = lines.next().expect("a line");
    assert!(
        first.contains("the database is upgraded from schema 19 to "),
        "{first}"
    );
    let url = lines.find_map(|line| url_in(&line)).expect("it listens");
    let health = curl(&[], &format!("{url}/api/health")).json();
    assert_eq!(health["database"], "connected");
    assert!(!data.join("zigcheck.db.upgrade").exists());
    child.kill().expect("it runs");
    child.wait().expect("it is ours");
}
