//! The list of `zigcheck import --urls`: its lines, and what becomes of each answer of the server.

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use zigcheck::app::domain::git_url;
use zigcheck::app::domain::repository::identity;
use zigcheck::commands::server::Server;
use zigcheck::commands::urls::{Listed, Submit, listed, submit_all};
use zigcheck::config::settings::{Hosts, Listen};
use zigcheck::shell::ask::Reply;

#[test]
fn a_line_names_a_url_a_ref_and_a_name() {
    let of = |url, reference, name| {
        Ok(Some(Listed {
            url,
            reference,
            name,
        }))
    };
    for (line, wanted) in [
        ("", Ok(None)),
        ("  \t", Ok(None)),
        ("# https://a.example/b", Ok(None)),
        ("https://a.example/b", of("https://a.example/b", None, None)),
        (
            "https://a.example/b#c",
            of("https://a.example/b#c", None, None),
        ),
        (
            " u  main\tname # why\r",
            of("u", Some("main"), Some("name")),
        ),
        ("u - name", of("u", None, Some("name"))),
        ("u #", of("u", None, None)),
        ("a b c d", Err("more words than URL REF NAME")),
    ] {
        assert_eq!(listed(line), wanted, "{line:?}");
    }
}

/// Answers each submission with the next reply, and notes what it was asked.
#[derive(Default)]
struct Fake {
    replies: Vec<(u16, Option<u64>, Value)>,
    asked: Vec<Value>,
    pauses: Vec<(u64, usize, usize)>,
}

impl Submit for Fake {
    fn submit(&mut self, package: &Value) -> Result<Reply, String> {
        self.asked.push(package.clone());
        if self.replies.is_empty() {
            return Err("127.0.0.1:1: Connection refused".to_string());
        }
        let (status, retry_after_s, body) = self.replies.remove(0);
        Ok(Reply {
            status,
            retry_after_s,
            body: body.to_string(),
        })
    }

    fn pause(&mut self, seconds: u64, done: usize, all: usize) {
        self.pauses.push((seconds, done, all));
    }
}

#[test]
fn each_package_is_taken_known_or_refused_and_the_server_is_waited_for() {
    let wait = || json!({ "error": "too much" });
    let bad = || json!({ "error": "url: the host must be one of github.com" });
    let mut server = Fake {
        replies: vec![
            (201, None, json!({ "id": 1 })),
            (429, Some(30), wait()),
            (503, Some(0), wait()),
            (507, Some(1_000_000), wait()),
            (
                409,
                None,
                json!({ "error": "this repository is known as b", "id": 2, "name": "b" }),
            ),
            (400, None, bad()),
            (
                409,
                None,
                json!({ "error": "the name d belongs to u", "url": "u" }),
            ),
            (400, None, bad()),
        ],
        ..Fake::default()
    };
    let list = "# packages\na v1 named\nb\n\nc\nd - d\none two three four\ne\n";
    let tally = submit_all(list, &mut server).unwrap();
    let expected = "1 taken, 1 known already, 4 refused\n  \
          more words than URL REF NAME: line 7\n  \
          the name d belongs to u: d (line 6)\n  \
          url: the host must be one of github.com: c (line 5), e (line 8)\n";
    assert_eq!(tally.to_string(), expected);
    assert_eq!(server.pauses, [(30, 1, 6), (1, 1, 6), (3_600, 1, 6)]);
    assert_eq!(server.asked.len(), 8);
    let wanted = json!({ "url": "a", "ref": "v1", "name": "named" });
    assert_eq!(server.asked[0], wanted);
    let wanted = json!({ "url": "d", "ref": null, "name": "d" });
    assert_eq!(server.asked[6], wanted);
}

#[test]
fn a_server_that_is_none_or_does_not_go_on_ends_the_run() {
    let answers = |replies: Vec<(u16, Option<u64>, Value)>| {
        let mut server = Fake {
            replies,
            ..Fake::default()
        };
        let why = submit_all("a\nb\n", &mut server).unwrap_err();
        (why, server.pauses.len())
    };
    let taken = || (201, None, json!({}));
    let behind = " (1 of 2 packages were answered; run it again to go on)";
    for (second, why) in [
        (vec![], "line 2: 127.0.0.1:1: Connection refused"),
        (
            vec![(404, None, json!("<html>"))],
            "line 2: no zigcheck answers there, but 404",
        ),
        (
            vec![(503, None, json!({ "error": "the engine is gone" }))],
            "line 2: the server answers 503: the engine is gone",
        ),
    ] {
        let replies = [vec![taken()], second].concat();
        assert_eq!(answers(replies), (format!("{why}{behind}"), 0));
    }
    let busy = (429, Some(1), json!({ "error": "busy" }));
    let (why, pauses) = answers([vec![taken()], vec![busy; 200]].concat());
    assert_eq!(
        why,
        format!("line 2: the server still asks to wait{behind}")
    );
    assert_eq!(pauses, 100);
}

#[test]
fn a_server_is_named_by_a_url_or_an_address() {
    let tcp = |text: &str| Ok(Server::Listens(Listen::Tcp(text.parse().unwrap())));
    let url = |text: &str| Ok(Server::Url(text.to_string()));
    let unix = Server::Listens(Listen::Unix(PathBuf::from("/a/b")));
    for (named, server) in [
        ("127.0.0.1:3000", tcp("127.0.0.1:3000")),
        ("http://127.0.0.1:3000", tcp("127.0.0.1:3000")),
        ("http://[::1]:80/", tcp("[::1]:80")),
        ("unix:/a/b", Ok(unix)),
        ("192.0.2.7", url("http://192.0.2.7")),
        ("zig.example.org:3000", url("http://zig.example.org:3000")),
        ("http://zig.example.org/", url("http://zig.example.org")),
        ("https://zig.example.org", url("https://zig.example.org")),
        ("https://127.0.0.1:3443/", url("https://127.0.0.1:3443")),
    ] {
        assert_eq!(Server::read(named), server, "{named}");
    }
    for named in [
        "",
        "https://",
        "ftp://a.example",
        "http://https://a.example",
        "unix:",
        "a b",
    ] {
        let must = "must be http://HOST:PORT, https://HOST or unix:PATH";
        assert_eq!(
            Server::read(named),
            Err(format!("--server {named}: {must}"))
        );
    }
}

#[test]
fn the_packages_for_a_new_server_are_such_a_list() {
    let list = include_str!("../../docs/seed-packages.txt");
    let hosts = ["github.com", "codeberg.org"].map(str::to_string).to_vec();
    let hosts = Hosts::These(hosts);
    let mut known = HashSet::new();
    for line in list.lines() {
        let Some(package) = listed(line).unwrap() else {
            continue;
        };
        git_url::parse(package.url, package.reference, &hosts).unwrap();
        assert!(known.insert(identity(package.url)), "{line} is there twice");
    }
    assert!(known.len() >= 60, "{}", known.len());
}
