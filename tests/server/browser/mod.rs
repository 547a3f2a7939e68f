//! Pages in Chromium with scripts off: every link is followed, forms are sent, nothing is wider than its screen, axe-core
//! and the validator of HTML find nothing. Screenshots are left in target/screenshots. Live pages in Chromium and Firefox.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;

use crate::common::server::{Server, scratch};
use crate::common::standin::{check, standin, start};

/// A log as a failed build leaves it: colours, an error with its place, and a line that is wider than a phone.
const LOG: &str = "\x1b[1mbuilding\x1b[0m \x1b[32mgreen\x1b[0m \x1b[33myellow\x1b[0m \x1b[34mblue\x1b[0m \x1b[35mpurple\x1b[0m \
    \x1b[36mcyan\x1b[0m \x1b[90mgrey\x1b[0m\n\
    src/main.zig:6:30: \x1b[31;1merror:\x1b[0m root source file struct 'process' has no member named 'Init'\n\
    /opt/zig/lib/std/a/path/that/is/longer/than/a/phone/is/wide/and/has/no/space/Build.zig:1:1: note: here\n";

const PAGES: [&str; 12] = [
    "/",
    "/?search=clap",
    "/packages/zig-clap",
    "/packages/hostile",
    "/checks/7",
    "/builds/21",
    "/builds/2/log",
    "/queue",
    "/submit",
    "/docs",
    "/docs/ci",
    "/docs/verdicts",
];

/// A server with packages of all kinds, two builds that run and six that wait.
fn server(name: &str) -> Server {
    let (_, docker) = standin(name);
    let flags = ["--docker", &docker, "--max-builds", "2"];
    let data = Server::start(name, &flags).crash();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let rows = include_str!("pages.sql").replace("NOW", &now.as_millis().to_string());
    let db = Connection::open(data.join("zigcheck.db")).expect("a database");
    db.execute_batch(&rows).expect("rows");
    drop(db);
    for build in 1..=24 {
        let log = data.join(format!("logs/{build}.log"));
        std::fs::write(log, if build == 2 { LOG } else { "building\n" }).expect("a log");
    }
    let server = Server::restart(data, &flags);
    for _ in 0..2 {
        check(&server, "slowly");
    }
    server.wait_for("/api/queue", |queue| {
        queue["waiting"]
            .as_array()
            .is_some_and(|all| all.len() == 6)
    });
    server
}

/// What `tests/setup` puts there.
fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/test-tools")
        .join(name);
    assert!(path.exists(), "{}: run make setup-tests", path.display());
    path
}

#[test]
fn people_see_every_page_and_every_link_leads_somewhere() {
    let server = server("browser-seen");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = Command::new("/usr/bin/python3")
        .args([
            "-B",
            "tests/server/browser/browse.py",
            &server.url,
            "target/screenshots",
        ])
        .arg(tool("axe.min.js"))
        .current_dir(root)
        .output()
        .expect("Debian's Python");
    let said = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}{errors}");
    for step in ["followed ", "shown ", "submitted"] {
        assert!(said.contains(step), "{said}{errors}");
    }
    assert!(!said.contains("problem: "), "{said}");
}

#[test]
fn a_submission_is_watched_from_the_form_to_its_verdict_in_two_browsers() {
    for browser in ["chromium", "firefox"] {
        let (server, dir) = start(&format!("watched-in-{browser}"), &[]);
        let run = Command::new("/usr/bin/python3")
            .args(["-B", "tests/server/browser/watch.py", browser, &server.url])
            .arg(dir.join("state.go"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("Debian's Python");
        let said = String::from_utf8_lossy(&run.stdout);
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{browser}: {said}{errors}");
        assert!(said.contains("watched"), "{browser}: {said}{errors}");
        assert!(!said.contains("problem: "), "{browser}: {said}");
    }
}

#[test]
fn every_page_is_valid_html() {
    let server = server("browser-valid");
    let dir = scratch("browser-html");
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut java = Command::new("java");
    java.args(["-jar"])
        .arg(tool("vnu.jar"))
        .args(["--errors-only", "--format", "text"]);
    for (nth, path) in PAGES.iter().chain(&["/packages/nobody"]).enumerate() {
        let page = server.curl(&["-H", "Accept: text/html"], path);
        let file = dir.join(format!("{nth}.html"));
        std::fs::write(&file, page.body).expect("a file");
        java.arg(file);
    }
    let run = java.output().expect("tests/setup installs java");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}
