//! The commands that call a server, to one behind TLS.

use std::process::{Command, Output};

use super::proxy::{certificate, nginx};
use crate::common::server::scratch;
use crate::common::standin::start;

fn run(words: &[&str], trusted: bool) -> Output {
    let (_, authority) = certificate();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zigcheck"));
    if trusted {
        command.env("CURL_CA_BUNDLE", authority);
    }
    command.args(words).output().expect("the binary is built")
}

#[test]
fn a_list_and_an_admin_reach_a_server_behind_tls() {
    let token = scratch("commands-tls-token");
    std::fs::write(&token, "a-token-of-sixteen-letters\n").expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&token, mode).expect("it is ours");
    let token = token.to_str().expect("a path");
    let flags = ["--trusted-proxies=loopback", "--admin-token-file", token];
    let (server, dir) = start("commands-tls", &flags);
    let proxy = nginx("commands-tls-nginx", 18, &server);
    let list = dir.join("list.txt");
    std::fs::write(&list, "https://github.com/x/good\n").expect("a file");
    let list = list.to_str().expect("a path");
    let import = ["import", "--urls", list, "--server", &proxy.https("")];

    let unknown = run(&import, false);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("certificate"), "{said}");
    let output = run(&import, true);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "packages: 1 taken, 0 known already, 0 refused\n");

    let status = ["admin", "status", "--server", &proxy.https("/")];
    let output = run(&[&status[..], &["--token-file", token]].concat(), true);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"draining\": false"), "{output:?}");
}
