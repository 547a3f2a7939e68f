//! Trees and packages sent in, in all the ways curl sends a body.

use std::path::PathBuf;

use data_encoding::HEXLOWER;

use super::ask::{Got, ask, ask_with, build_of};
use crate::common::seed::Seed;
use crate::common::server::{Server, archive, scratch};
use crate::common::standin::{start, tree};

fn server(name: &str) -> (Server, String, PathBuf) {
    let (server, dir) = start(&format!("clients-{name}"), &[]);
    let url = format!("{}/api/check?name=good", server.url);
    (server, url, dir)
}

fn assert_taken(server: &Server, got: &Got) {
    assert_eq!(got.status, 202, "{}", got.text());
    let check = got.json()["check"].as_i64().expect("a check");
    let build = server.finished(check).remove(0);
    assert_eq!(build["build_status"], "success", "{build}");
    assert!(build_of(server, check) > 0);
}

#[test]
fn a_tree_comes_in_every_way_that_curl_sends_one() {
    let (server, url, _dir) = server("ways");
    let file = tree();
    let bytes = std::fs::read(&file).expect("the tree");
    let path = file.to_str().expect("UTF-8");
    let data = format!("@{path}");
    let ways: [(&[&str], &str); 6] = [
        (&["--data-binary", &data], "> POST"),
        (&["-T", path], "> PUT"),
        (&["-X", "POST", "-T", path], "> POST"),
        (&["-0", "--data-binary", &data], "HTTP/1.0"),
        (
            &[
                "-H",
                "Content-Type: application/x-tar",
                "--data-binary",
                &data,
            ],
            "x-tar",
        ),
        (
            &["-H", "Expect: 100-continue", "--data-binary", &data],
            "100 Continue",
        ),
    ];
    for (args, said) in ways {
        let got = ask(&[args, &[&url]].concat());
        assert!(got.talk.contains(said), "{said}: {}", got.talk);
        assert_taken(&server, &got);
    }
    // From a pipe: its length is not known beforehand.
    let got = ask_with(&["--data-binary", "@-", &url], &bytes);
    assert_taken(&server, &got);
    let got = ask_with(&["-T", "-", &url], &bytes);
    let chunked = "> Transfer-Encoding: chunked";
    assert!(got.talk.contains(chunked), "{}", got.talk);
    assert_taken(&server, &got);
    // As soon as there is something, and whole all the same.
    let got = ask_with(&["-T", ".", &url], &bytes);
    assert_taken(&server, &got);
}

/// A tree of some 2 MiB, which no compression makes smaller.
fn large_tree() -> PathBuf {
    let [hex, more] = [1, 2].map(|seed| HEXLOWER.encode(&Seed(seed).bytes(1 << 20)));
    let files = [("build.zig", ""), ("a.hex", &hex), ("b.hex", &more)];
    archive("clients-large", &files)
}

#[test]
fn a_large_tree_waits_for_its_welcome() {
    let (server, url, _dir) = server("welcome");
    let file = large_tree();
    let bytes = std::fs::read(&file).expect("the tree");
    assert!(bytes.len() > 1 << 20, "{}", bytes.len());
    let data = format!("@{}", file.display());
    let got = ask(&["--data-binary", &data, &url]);
    // curl asks for it by itself.
    assert!(got.talk.contains("> Expect: 100-continue"), "{}", got.talk);
    assert!(got.talk.contains("< HTTP/1.1 100 Continue"), "{}", got.talk);
    assert_taken(&server, &got);
    let got = ask_with(&["-T", "-", &url], &bytes);
    assert!(got.talk.contains("< HTTP/1.1 100 Continue"), "{}", got.talk);
    assert_taken(&server, &got);
    let got = ask_with(&["--data-binary", "@-", &format!("{url}&follow")], &bytes);
    assert!(got.talk.contains("< HTTP/1.1 100 Continue"), "{}", got.talk);
    assert_eq!(got.status, 200);
    assert!(got.text().ends_with("\nresult: 1 of 1 build\n"), "{got:?}");
    // An upload that is refused is refused before its body is sent.
    let nowhere = format!("{}/api/nothing", server.url);
    let got = ask(&["--data-binary", &data, &nowhere]);
    assert_eq!(got.status, 404);
    assert!(!got.talk.contains("100 Continue"), "{}", got.talk);
}

#[test]
fn a_body_of_another_kind_is_refused_clearly() {
    let (server, url, _dir) = server("kinds");
    let file = tree();
    let part = format!("file=@{}", file.display());
    let packages = format!("{}/api/packages", server.url);
    for url in [&url, &packages] {
        let got = ask(&["-F", &part, url]);
        assert_eq!(got.status, 415, "{}", got.text());
    }
    let got = ask(&["-F", &part, &url]);
    assert!(got.error().contains("--data-binary @-"), "{}", got.text());
    // As text: its line ends are gone, and with them the tree.
    let data = format!("@{}", file.display());
    let got = ask(&["-d", &data, &url]);
    assert_eq!(got.status, 415, "{}", got.text());
    assert!(got.error().contains("--data-binary @-"), "{}", got.text());
    let nothing = scratch("clients-nothing");
    std::fs::write(&nothing, "").expect("a file");
    let data = format!("@{}", nothing.display());
    let got = ask(&["--data-binary", &data, &url]);
    assert_eq!(got.status, 400, "{}", got.text());
    assert_eq!(server.get("/api/builds")["total"], 0);
}

#[test]
fn a_package_is_read_from_standard_input() {
    let (server, _, _dir) = server("stdin");
    let packages = format!("{}/api/packages", server.url);
    let body = b"{\"url\": \"https://github.com/somebody/piped\",\n \"name\": \"piped\"}\n";
    let got = ask_with(&["-d", "@-", &packages], body);
    assert_eq!(got.status, 201, "{}", got.text());
    assert_eq!(server.get("/api/packages/piped")["name"], "piped");
    let body = b"{\"url\": \"https://github.com/somebody/chunked\"}\n";
    let got = ask_with(&["-T", "-", "-X", "POST", &packages], body);
    assert_eq!(got.status, 201, "{}", got.text());
    assert_eq!(server.get("/api/packages/chunked")["name"], "chunked");
}
