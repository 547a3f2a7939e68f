//! `zigcheck admin` to a server, on each way that there is.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::common::server::{self, Server, scratch};
use crate::common::standin;

fn token_file(name: &str, token: &str, mode: u32) -> PathBuf {
    let path = scratch(name);
    std::fs::write(&path, token).expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("it is ours");
    path
}

fn admin(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command.arg("admin").args(words);
    command.output().expect("the binary is built")
}

#[track_caller]
fn answered(words: &[&str]) -> Value {
    let output = admin(words);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[track_caller]
fn refused(words: &[&str]) -> String {
    server::refused(&admin(words))
}

#[test]
fn an_admin_changes_a_server_directly_and_through_curl() {
    let token = token_file("admin-command-token", "a-token-of-sixteen-letters\n", 0o600);
    let token = token.to_str().expect("a path");
    let (server, _dir) = standin::start("admin-command", &["--admin-token-file", token]);
    server.finished(standin::check(&server, "good"));
    let listen = &server.url.trim_start_matches("http://").to_string();
    let direct = ["--listen", listen, "--admin-token-file", token];
    let named = ["--server", listen, "--token-file", token];
    let url = server.url.replace("127.0.0.1", "localhost");
    let through_curl = ["--server", &url, "--token-file", token];
    for way in [&direct[..], &named, &through_curl] {
        let status = answered(&[way, &["status"]].concat());
        assert_eq!(status["draining"], false, "{status}");
        let body = answered(&[way, &["check-all", "0.16.0"]].concat());
        assert_eq!(body["zig_version"], "0.16.0", "{body}");
        let why = refused(&[way, &["rename", "no \"such\\", "other"]].concat());
        assert!(
            why.contains("there is no such package") || why.contains("name: "),
            "{why}"
        );
        let why = refused(&[way, &["cancel", "1"]].concat());
        assert!(
            why.contains("the build is finished already (status 409)"),
            "{why}"
        );
    }
    // What has changed is said, and what was refused is not.
    let audit = answered(&[&direct[..], &["audit"]].concat());
    let rows = audit["audit"].as_array().expect("a list");
    assert_eq!(rows.len(), 3, "{audit}");
    assert!(rows.iter().all(|row| row["who"] == "file (local)"));
    assert!(
        rows.iter()
            .all(|row| row["call"] == "POST /admin/check-all"),
        "{audit}"
    );

    let other = token_file("admin-command-other", "another-token-of-letters", 0o600);
    let why = refused(&[
        "status",
        "--server",
        listen,
        "--token-file",
        other.to_str().expect("a path"),
    ]);
    assert!(why.contains("wrong admin token (status 403)"), "{why}");
    let open = token_file("admin-command-open", "a-token-of-sixteen-letters", 0o644);
    let why = refused(&[
        "status",
        "--server",
        listen,
        "--token-file",
        open.to_str().expect("a path"),
    ]);
    assert!(why.contains("must not be open to others"), "{why}");
    assert!(refused(&["status", "--server", listen]).contains("--token-file"));
    assert!(
        refused(&["status", "--server", "ftp://nowhere", "--token-file", token])
            .contains("must be http")
    );
    drop(server);
    assert!(refused(&[&direct[..], &["status"]].concat()).contains("Connection refused"));
}

/// What `zigcheck admin` says to a user who is neither root nor the server's.
fn as_nobody(words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    command.arg("admin").args(words).uid(65_534).gid(65_534);
    server::refused(&command.output().expect("root may change the user"))
}

#[test]
fn root_needs_no_token_on_the_admin_socket() {
    // A path of a socket is short, and others reach this one.
    let socket = std::env::temp_dir().join(format!("zigcheck-root-{}", std::process::id()));
    let socket = socket.to_str().expect("a path");
    let own = ["--admin-socket", socket];
    let (server, _dir) = standin::start("admin-root", &own);
    let status = answered(&[&["status"], &own[..]].concat());
    assert_eq!(status["draining"], false, "{status}");
    answered(&[&["check-remotes"], &own[..]].concat());
    let tcp = server.curl(&["-X", "POST"], "/admin/check-builds");
    assert_eq!(tcp.status, 403, "{}", tcp.body);
    // A token that root makes is taken elsewhere, until root takes it back.
    let made = answered(&[&["make-token", "laptop", "admin"], &own[..]].concat());
    let header = format!("Authorization: Bearer {}", made["token"].as_str().unwrap());
    let status = |server: &Server| server.curl(&["-H", &header], "/admin/tokens");
    let listed = status(&server).json();
    assert_eq!(listed["tokens"][0]["name"], "laptop", "{listed}");
    // After a death its socket is replaced; a living server's is not.
    let flags = [
        &["--docker", "docker", "--zig-versions", "0.16.0"],
        &own[..],
    ]
    .concat();
    let server = Server::restart(server.crash(), &flags);
    let audit = answered(&[&["audit"], &own[..]].concat());
    assert_eq!(audit["audit"][0]["who"], "root", "{audit}");
    assert_eq!(audit["audit"][2], Value::Null, "{audit}");
    assert!(!audit.to_string().contains(made["token"].as_str().unwrap()));
    assert_eq!(status(&server).status, 200);
    answered(&[&["delete-token", "laptop"], &own[..]].concat());
    assert_eq!(status(&server).status, 403);
    let audit = answered(&[&["audit"], &own[..]].concat());
    let second = Server::start("admin-root-second", &flags);
    answered(&[&["status"], &own[..]].concat());
    drop(second);

    assert!(as_nobody(&[&["status"], &own[..]].concat()).contains("Permission denied"));
    std::fs::set_permissions(socket, PermissionsExt::from_mode(0o666)).expect("it is ours");
    assert!(as_nobody(&[&["status"], &own[..]].concat()).contains(socket));
    let after = answered(&[&["audit"], &own[..]].concat());
    assert_eq!(after, audit);
    drop(server);
    let why = refused(&[&["status"], &own[..]].concat());
    assert!(
        why.contains("--token-file") && why.contains(socket),
        "{why}"
    );
    let _ = std::fs::remove_file(socket);
}

#[test]
fn an_admin_speaks_over_the_socket_of_a_server() {
    let token = token_file("admin-socket-token", "a-token-of-sixteen-letters", 0o600);
    let token = token.to_str().expect("a path");
    // A path of a socket is short.
    let socket = std::env::temp_dir().join(format!("zigcheck-admin-{}", std::process::id()));
    let listen = format!("unix:{}", socket.display());
    let (server, _dir) = standin::start(
        "admin-socket",
        &["--admin-token-file", token, "--listen", &listen],
    );
    let status = answered(&["status", "--listen", &listen, "--admin-token-file", token]);
    assert_eq!(status["running"], 0, "{status}");
    drop(server);
    let _ = std::fs::remove_file(socket);
    // Without a word it lists them, and needs nothing.
    let list = admin(&[]);
    assert!(
        String::from_utf8_lossy(&list.stdout).contains("\nzigcheck admin rename PACKAGE NAME"),
        "{list:?}"
    );
}

#[test]
fn a_package_is_paused_and_resumed() {
    let token = token_file("admin-pause-token", "a-token-of-sixteen-letters\n", 0o600);
    let token = token.to_str().expect("a path");
    let (server, _dir) = standin::start("admin-pause", &["--admin-token-file", token]);
    let listen = server.url.trim_start_matches("http://");
    let way = ["--listen", listen, "--admin-token-file", token];
    let url = json!({ "url": "https://github.com/x/p" });
    let submitted = server.post_json("/api/packages", &url);
    assert_eq!(submitted.status, 201, "{}", submitted.body);
    let check = || server.curl(&["-X", "POST"], "/api/packages/p/builds");
    let package = answered(&[&way[..], &["pause", "p"]].concat());
    assert!(package["paused_at"].is_string(), "{package}");
    let asked = check();
    assert_eq!(asked.status, 409, "{}", asked.body);
    assert!(
        asked.body.contains("p has been paused since 20"),
        "{}",
        asked.body
    );
    let why = refused(&[&way[..], &["pause", "q"]].concat());
    assert!(why.contains("there is no such package"), "{why}");
    let package = answered(&[&way[..], &["resume", "p"]].concat());
    assert_eq!(package["paused_at"], Value::Null, "{package}");
    assert_eq!(check().status, 202);
    let audit = answered(&[&way[..], &["audit"]].concat());
    let rows = audit["audit"].as_array().expect("a list");
    let bodies: Vec<&Value> = rows.iter().map(|row| &row["body"]).collect();
    assert_eq!(
        bodies,
        [&json!({ "paused": false }), &json!({ "paused": true })]
    );
}
