//! `zigcheck import` before the first start of a server, and what the server makes of it; lists of URLs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::server::{Server, scratch};
use crate::common::standin;

fn import(words: &[&str], data: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command.arg("import").args(words).arg("--data").arg(data);
    command.output().expect("the binary is built")
}

/// The same for a list of packages, and a server.
fn import_urls(list: &Path, server: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command
        .args(["import", "--server", server, "--urls"])
        .arg(list);
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

#[test]
fn a_list_of_urls_is_submitted_once() {
    let (server, dir) = standin::start("import-urls", &[]);
    standin::let_go(&dir);
    let list = dir.join("list.txt");
    let lines = "# two packages\nhttps://github.com/x/good\nhttps://github.com/x/good-deps v1 named # a tag\n";
    std::fs::write(&list, lines).expect("a file");
    let output = import_urls(&list, &server.url);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "packages: 2 taken, 0 known already, 0 refused\n"
    );
    let named = server.get("/api/packages/named");
    assert_eq!(
        (&named["ref"], &named["url"]),
        (&"v1".into(), &"https://github.com/x/good-deps".into())
    );

    let more = format!("{lines}https://example.org/x/y\n");
    std::fs::write(&list, more).expect("a file");
    let output = import_urls(&list, &server.url);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    assert!(
        said.starts_with("packages: 0 taken, 2 known already, 1 refused\n  url: the host must be"),
        "{said}"
    );
    assert!(
        said.ends_with(": https://example.org/x/y (line 4)\n"),
        "{said}"
    );
}

/// A request, read to its end.
fn take_request(listener: &TcpListener) -> (std::net::TcpStream, String) {
    let (stream, _) = listener.accept().expect("a client");
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a line");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (stream, text(&body))
}

/// A URL with a name is asked through curl, one with an address is not.
#[test]
fn a_server_that_asks_to_wait_is_asked_again() {
    for host in ["127.0.0.1", "localhost"] {
        waits_and_asks_again(host);
    }
}

fn waits_and_asks_again(host: &str) {
    let list = scratch(&format!("import-wait-{host}"));
    let _ = std::fs::remove_file(&list);
    std::fs::write(&list, "https://github.com/x/a\n").expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = format!("http://{host}:{port}");
    let asked = std::thread::spawn(move || {
        let busy = "429 Too Many Requests\r\nretry-after: 1\r\n\r\n{\"error\":\"120 submissions an hour\"}";
        let taken = "201 Created\r\n\r\n{\"id\":1}";
        [busy, taken].map(|answer| {
            let (mut stream, body) = take_request(&listener);
            stream
                .write_all(format!("HTTP/1.1 {answer}").as_bytes())
                .expect("it is read");
            body
        })
    });
    let output = import_urls(&list, &server);
    assert_eq!(
        text(&output.stdout),
        "packages: 1 taken, 0 known already, 0 refused\n",
        "{output:?}"
    );
    assert_eq!(
        text(&output.stderr),
        "0 of 1 packages; waiting 1 s, as the server asks\n"
    );
    let [first, second] = asked.join().expect("it ends");
    assert_eq!(first, second);
    assert!(
        first.contains("\"url\":\"https://github.com/x/a\""),
        "{first}"
    );

    // The port is closed.
    let output = import_urls(&list, &server);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("line 1: ") && said.contains("run it again to go on"),
        "{said}"
    );
}
