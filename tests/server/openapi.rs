//! The OpenAPI document, judged by others: a validator of such documents, and schemathesis, which calls everything in
//! it with values made from it. `tests/setup` installs both.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::server::scratch;
use crate::common::standin::{check, start};

fn tool(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("target/test-tools/bin").join(name);
    assert!(path.exists(), "{}: make setup-tests", path.display());
    path
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.output().expect("it is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
}

#[test]
fn the_document_is_valid_and_no_call_of_it_is_answered_by_surprise() {
    let token = scratch("openapi-token");
    std::fs::write(&token, "a-token-of-sixteen-letters").expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&token, mode).expect("it is ours");
    let path = token.display().to_string();
    let (server, _dir) = start("openapi", &["--admin-token-file", &path]);
    server.finished(check(&server, "good"));
    let url = format!("{}/openapi.json", server.url);
    let document = server.curl(&[], "/openapi.json");
    let file = scratch("openapi.json");
    std::fs::write(&file, document.body).expect("a file");
    succeeds(Command::new(tool("openapi-spec-validator")).arg(&file));
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/schemathesis.toml");
    let mut run = Command::new(tool("schemathesis"));
    run.arg("--config-file").arg(config);
    run.args(["run", &url, "--seed", "1", "--max-examples", "10"]);
    run.args(["--checks", "not_a_server_error,status_code_conformance"]);
    // They go on without an end.
    run.args(["--exclude-path", "/api/events", "--exclude-path", "/ws"]);
    // It ends the server.
    run.args(["--exclude-path", "/admin/drain"]);
    run.args(["-H", "Authorization: Bearer a-token-of-sixteen-letters"]);
    run.current_dir(scratch(""));
    succeeds(&mut run);
    assert_eq!(server.get("/api/health")["status"], "healthy");
}
