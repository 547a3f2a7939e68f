//! Pages in Chromium and Firefox with scripts off: nothing is wider than its screen, forms are sent, a log is copied, a
//! page is printed; pictures are left in target/screenshots. Live pages, with scripts off and on. What a page says is
//! judged once: every link is followed, axe-core and the validator of HTML and SVG find nothing.

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

const PAGES: [&str; 16] = [
    "/compare/0.16.0..0.17.1",
    "/stats",
    "/packages/zig-clap/upgrade/0.17.1",
    "/upgrade/0.17.1",
    "/",
    "/?search=clap",
    "/packages/zig-clap",
    "/packages/hostile",
    "/checks/7",
    "/builds/21",
    "/builds/5/log",
    "/queue",
    "/submit",
    "/docs",
    "/docs/ci",
    "/docs/verdicts",
];

const IMAGES: [&str; 4] = [
    "/badge/zig-clap.svg",
    "/badge/hostile.svg",
    "/badge/nobody.svg",
    "/favicon.ico",
];

/// A server whose database has these rows, in which NOW is now.
fn filled(name: &str, rows: &str) -> Server {
    let (_, docker) = standin(name);
    let flags = ["--docker", &docker, "--max-builds", "2"];
    let data = Server::start(name, &flags).crash();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    let rows = rows.replace("NOW", &now.as_millis().to_string());
    let db = Connection::open(data.join("zigcheck.db")).expect("a database");
    db.execute_batch(&rows).expect("rows");
    drop(db);
    for build in 1..=24 {
        let log = data.join(format!("logs/{build}.log"));
        std::fs::write(log, if build == 5 { LOG } else { "building\n" }).expect("a log");
    }
    Server::restart(data, &flags)
}

/// A server with packages of all kinds, two builds that run and six that wait.
fn server(name: &str) -> Server {
    let server = filled(name, include_str!("pages.sql"));
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

/// Runs a script of this folder, which prints each of these words and no problem.
fn run(script: &str, args: &[&str], words: &[&str]) {
    let run = Command::new("/usr/bin/python3")
        .args(["-B", &format!("tests/server/browser/{script}")])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("Debian's Python");
    let said = String::from_utf8_lossy(&run.stdout);
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{args:?}: {said}{errors}");
    for word in words {
        assert!(said.contains(word), "{args:?}: {said}{errors}");
    }
    assert!(!said.contains("problem: "), "{args:?}: {said}");
}

#[test]
fn people_see_every_page_in_chromium_and_every_link_leads_somewhere() {
    let server = server("browser-chromium");
    let axe = tool("axe.min.js").display().to_string();
    let args = ["chromium", &server.url, "target/screenshots", &axe];
    let words = [
        "shown ",
        "printed",
        "copied",
        "submitted",
        "followed ",
        "judged",
    ];
    run("browse.py", &args, &words);
}

#[test]
fn people_see_every_page_in_firefox() {
    let server = server("browser-firefox");
    let args = ["firefox", &server.url, "target/screenshots/firefox"];
    let words = ["shown ", "printed", "copied", "submitted"];
    run("browse.py", &args, &words);
}

/// Watches a submission at that address of the server whose engine has that directory.
pub fn watch_at(browser: &str, scripts: &str, url: &str, dir: &Path) {
    let args = [browser, scripts, url, &dir.display().to_string()];
    run("watch.py", &args, &["watched"]);
}

/// Watches a submission with the scripts of pages off, and on.
fn watch(browser: &str) {
    for scripts in ["off", "on"] {
        let (server, dir) = start(&format!("watched-in-{browser}-{scripts}"), &[]);
        watch_at(browser, scripts, &server.url, &dir);
    }
}

#[test]
fn a_submission_is_watched_in_chromium_from_the_form_to_its_verdict() {
    watch("chromium");
}

#[test]
fn a_submission_is_watched_in_firefox_from_the_form_to_its_verdict() {
    watch("firefox");
}

#[test]
fn every_page_is_valid_html_and_every_image_valid_svg() {
    let server = server("browser-valid");
    let dir = scratch("browser-html");
    std::fs::create_dir_all(&dir).expect("a directory");
    let mut java = Command::new("java");
    java.args(["-jar"]).arg(tool("vnu.jar")).args([
        "--errors-only",
        "--also-check-svg",
        "--format",
        "text",
    ]);
    let pages = PAGES.iter().chain(&["/packages/nobody"]);
    let all = pages.map(|path| (path, "html"));
    let all = all.chain(IMAGES.iter().map(|path| (path, "svg")));
    for (nth, (path, kind)) in all.enumerate() {
        let page = server.curl(&["-H", "Accept: text/html"], path);
        let file = dir.join(format!("{nth}.{kind}"));
        std::fs::write(&file, page.body).expect("a file");
        java.arg(file);
    }
    let run = java.output().expect("tests/setup installs java");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}

/// `make pictures` puts them in their place.
#[test]
fn the_pictures_of_the_readme_are_small_and_can_be_made_anew() {
    let server = filled("browser-pictures", include_str!("pictures.sql"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    run(
        "pictures.py",
        &[&server.url, "target/pictures"],
        &["build 25"],
    );
    let bytes = |path: &str| std::fs::metadata(root.join(path)).map_or(0, |file| file.len());
    let readme = std::fs::read_to_string(root.join("README.md")).expect("README");
    for name in ["packages", "package", "build"] {
        let made = bytes(&format!("target/pictures/{name}.webp"));
        assert!(made > 10 << 10, "{name} has {made} bytes");
        let shown = format!("docs/pictures/{name}.webp");
        let small = bytes(&shown);
        assert!(
            (10 << 10..60 << 10).contains(&small),
            "{shown} has {small} bytes"
        );
        assert!(
            readme.contains(&format!("({shown})")),
            "{shown} is not in README"
        );
    }
}
