//! `zigcheck import` before the first start of a server, and what the server makes of it.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::server::{Server, scratch};
use crate::common::standin;

fn import(words: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command.arg("import").args(words).arg("--data").arg(data);
    command.output().expect("the binary is built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_server_shows_what_was_imported_and_builds_it() {
    let dir = scratch("import");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    let (file, data) = (dir.join("old.db"), dir.join("data"));
    let rows = "
        CREATE TABLE packages (id INTEGER PRIMARY KEY, name TEXT, url TEXT, description TEXT, author TEXT,
            license TEXT, source_type TEXT, created_at TEXT, last_updated TEXT, popularity_score INTEGER);
        CREATE TABLE build_results (id INTEGER PRIMARY KEY, package_id INTEGER, zig_version TEXT, build_status TEXT,
            test_status TEXT, error_log TEXT, last_checked TEXT);
        CREATE TABLE issues (id INTEGER PRIMARY KEY, package_id INTEGER, zig_version TEXT, issue_url TEXT,
            issue_status TEXT, auto_created INTEGER, resolved_at TEXT, created_at TEXT);
        INSERT INTO packages VALUES (1, 'good', 'https://github.com/x/good', 'd', 'a', 'MIT', 'git',
            '2023-11-14 22:13:20', '2023-11-14 22:13:20', 3), (2, 'b d', 'x', '', '', '', '', '', '', 0);
        INSERT INTO build_results VALUES (1, 1, '0.16.0', 'failed', NULL, 'a.zig:1:1: error: unusual word',
            '2023-11-14 22:13:20');";
    let db = rusqlite::Connection::open(&file).expect("a database");
    db.execute_batch(rows).expect("rows");
    drop(db);
    let file = file.to_str().expect("a path");

    let output = import(&[file], &data);
    // One of its rows cannot be taken.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).starts_with("packages: 1 taken, 0 known already, 1 refused\n"));
    assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");

    let flags = ["--docker", "/bin/false", "--zig-versions", "0.16.0"];
    let server = Server::restart(data, &flags);
    let package = server.get("/api/packages/good");
    assert_eq!(
        package["created_at"], "2023-11-14T22:13:20.000Z",
        "{package}"
    );
    let result = &package["build_results"][0];
    assert_eq!(
        (&result["build_status"], &result["zig_version"]),
        (&"failed".into(), &"0.16.0".into())
    );
    assert!(
        result["build_id"].is_null() && result["commit"].is_null(),
        "{result}"
    );
    server.wait_for("/api/packages?search=error:unusual", |list| {
        list["total"] == 1
    });
    let page = server.curl(&[], "/packages/good");
    assert!(
        page.status == 200 && page.body.contains("failed"),
        "{}",
        page.body
    );
    let page = server.curl(&["-HAccept: text/html"], "/packages/good");
    assert!(
        page.status == 200 && page.body.contains("failed"),
        "{}",
        page.body
    );

    // A server works on the data.
    let output = import(&[file], &server.data);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("another zigcheck is using it"),
        "{output:?}"
    );
    assert_eq!(server.get("/api/packages/good")["name"], "good");
    let data = server.crash();

    let (standin_dir, docker) = standin::standin("import");
    standin::let_go(&standin_dir);
    let server = Server::restart(data, &["--docker", &docker, "--zig-versions", "0.16.0"]);
    let package = server.wait_for("/api/packages/good", |package| {
        package["build_results"][0]["build_id"].is_number()
            && package["build_results"][0]["build_status"] == "success"
    });
    assert!(
        package["build_results"][0]["commit"].is_string(),
        "{package}"
    );
}
