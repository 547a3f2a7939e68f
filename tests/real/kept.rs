//! What a build of a package leaves for its next commit, with real git and Zig.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::git::{Repository, git_server, repository};
use crate::common::server::{Server, archive, scratch};
use crate::common::zig::build_zig;
use crate::exclusive::shared;

const FLAGS: [&str; 6] = [
    "--zig-versions",
    "0.16.0",
    "--fetch-network",
    "host",
    "--allow-hosts",
    "*",
];

/// Tests that pass where the file `answer` says yes.
const TEST: &str = "grep -q yes answer";

/// The tests of a package that replaces the program which Zig made from its build.zig.
const POISON: &str = "for f in .zig-cache/o/*/build; do printf '#!/bin/sh\\nexit 0\\n' >x; chmod +x x; mv x $f; done; grep -q yes answer";

struct Package {
    repository: Repository,
    root: PathBuf,
}

impl Package {
    fn new(root: &Path, name: &str, test: &str) -> Package {
        let files = [("build.zig", &*build_zig(test)), ("answer", "yes")];
        Package {
            repository: repository(root, name, &files),
            root: root.join(name),
        }
    }

    fn commit(&self, answer: &str) -> String {
        std::fs::write(self.root.join("answer"), answer).expect("a file");
        self.repository
            .git(&["commit", "-qam", &format!("say {answer}")]);
        self.head()
    }

    fn head(&self) -> String {
        self.repository.git(&["rev-parse", "HEAD"])
    }
}

fn added(server: &Server, url: &str) -> Value {
    let answer = server.post_json("/api/packages", &json!({ "url": url }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    server
        .finished(answer.json()["check"].as_i64().expect("a check"))
        .remove(0)
}

fn checked(server: &Server, name: &str, query: &str) -> Value {
    let answer = server.post_json(&format!("/api/packages/{name}/builds{query}"), &json!({}));
    assert_eq!(answer.status, 202, "{}", answer.body);
    server
        .finished(answer.json()["check"].as_i64().expect("a check"))
        .remove(0)
}

#[test]
fn the_next_commit_reuses_what_zig_compiled_and_fails_as_it_would_without() {
    let _machine = shared();
    let root = scratch("git-kept");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let package = Package::new(&root, "p", TEST);
    let server = Server::start("kept", &FLAGS);
    let first = package.head();
    let build = added(&server, &format!("{}/p", git.url));
    assert_eq!(
        (&build["test_status"], &build["reused_commit"]),
        (&json!("success"), &Value::Null)
    );
    let second = package.commit("yes, again");
    let build = checked(&server, "p", "");
    assert_eq!(
        (&build["commit"], &build["attempt"]),
        (&json!(second), &json!(1))
    );
    assert_eq!(
        (&build["test_status"], &build["reused_commit"]),
        (&json!("success"), &json!(first))
    );
    let page = server.curl(&[], &format!("/builds/{}", build["id"])).body;
    assert!(page.contains(&first), "{page}");
    // What fails is run without it before it counts.
    package.commit("no");
    let build = checked(&server, "p", "");
    assert_eq!(
        (&build["test_status"], &build["attempt"]),
        (&json!("failed"), &json!(2))
    );
    assert_eq!(
        (&build["reason"], &build["reused_commit"]),
        (&json!("test_failure"), &Value::Null)
    );
    assert!(server.build_log(&build).contains("attempt 2 follows"));
    // A fresh check reuses nothing.
    let fourth = package.commit("yes, at last");
    let build = checked(&server, "p", "?fresh");
    assert_eq!(
        (&build["test_status"], &build["reused_commit"]),
        (&json!("success"), &Value::Null)
    );
    // The history is written anew: what is no ancestor any more left it.
    package.repository.git(&["reset", "-q", "--hard", &second]);
    assert_ne!(package.commit("yes, in another way"), fourth);
    let build = checked(&server, "p", "");
    assert_eq!(
        (&build["test_status"], &build["reused_commit"]),
        (&json!("success"), &Value::Null)
    );
}

#[test]
fn a_package_lies_about_itself_and_about_nobody_else() {
    let _machine = shared();
    let root = scratch("git-poison");
    let _ = std::fs::remove_dir_all(&root);
    let git = git_server(&root);
    let liar = Package::new(&root, "liar", POISON);
    let other = Package::new(&root, "other", POISON);
    let server = Server::start("poison", &FLAGS);
    assert_eq!(
        added(&server, &format!("{}/liar", git.url))["test_status"],
        "success"
    );
    liar.commit("no");
    other.commit("no");
    // The program of its own making says nothing of tests, and that all is well.
    let lie = checked(&server, "liar", "");
    assert_eq!(lie["build_status"], "success", "{lie}");
    assert_ne!(lie["test_status"], "failed", "{lie}");
    assert_ne!(lie["reused_commit"], Value::Null, "{lie}");
    let honest = added(&server, &format!("{}/other", git.url));
    assert_eq!(
        (&honest["test_status"], &honest["reused_commit"]),
        (&json!("failed"), &Value::Null)
    );
    let files = [("build.zig", &*build_zig(POISON)), ("answer", "no")];
    let check = server.upload(&archive("real-kept-liar", &files), "name=liar");
    let upload = server.finished(check).remove(0);
    assert_eq!(
        (&upload["test_status"], &upload["reused_commit"]),
        (&json!("failed"), &Value::Null)
    );
    let fresh = checked(&server, "liar", "?fresh");
    assert_eq!(
        (&fresh["test_status"], &fresh["reused_commit"]),
        (&json!("failed"), &Value::Null)
    );
}
