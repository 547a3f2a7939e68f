//! The words of `zigcheck admin`, and the calls that they make.

use std::collections::BTreeSet;

use zigcheck::app::web::reference::{Body, CALLS, Kind};
use zigcheck::commands::admin::calls::{WORDS, list, read};
use zigcheck::config::commands::ADMIN_WORDS;

fn call(words: &[&str]) -> Result<(&'static str, String, String), String> {
    let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    let call = read(&words)?;
    Ok((call.method, call.path, call.body))
}

#[test]
fn each_word_makes_its_call() {
    for (words, method, path, body) in [
        (&["status"][..], "GET", "/admin/status", ""),
        (&["cancel", "7"], "DELETE", "/api/builds/7", ""),
        (
            &["rename", "p", "q"],
            "PATCH",
            "/api/packages/p",
            r#"{"name":"q"}"#,
        ),
        (
            &["move", "p", "https://a/b"],
            "PATCH",
            "/api/packages/p",
            r#"{"url":"https://a/b"}"#,
        ),
        (
            &["pause", "p"],
            "PATCH",
            "/api/packages/p",
            r#"{"paused":true}"#,
        ),
        (
            &["resume", "p"],
            "PATCH",
            "/api/packages/p",
            r#"{"paused":false}"#,
        ),
        (&["delete", "p"], "DELETE", "/api/packages/p", ""),
        (
            &["check", "p"],
            "POST",
            "/admin/trigger-build",
            r#"{"package_name":"p"}"#,
        ),
        (
            &["check-all", "0.16.0"],
            "POST",
            "/admin/check-all",
            r#"{"zig_version":"0.16.0"}"#,
        ),
        (
            &["end-searches", "p"],
            "DELETE",
            "/api/packages/p/compat",
            "",
        ),
        (
            &["make-token", "laptop", "admin"],
            "POST",
            "/admin/tokens",
            r#"{"name":"laptop","scope":"admin"}"#,
        ),
        (
            &["delete-token", "laptop"],
            "DELETE",
            "/admin/tokens/laptop",
            "",
        ),
        (
            &["quota", "192.0.2.0/24", "10"],
            "PUT",
            "/admin/quotas",
            r#"{"address":"192.0.2.0/24","per_hour":10}"#,
        ),
        (
            &["ban", "2001:db8::1", "a flood"],
            "PUT",
            "/admin/quotas",
            r#"{"address":"2001:db8::1","per_hour":0,"reason":"a flood"}"#,
        ),
        (
            &["end-quota", "192.0.2.0/24"],
            "DELETE",
            "/admin/quotas?address=192.0.2.0%2F24",
            "",
        ),
        (
            &["allow", "git.example.org"],
            "POST",
            "/admin/hosts",
            r#"{"host":"git.example.org"}"#,
        ),
        (
            &["disallow", "git.example.org"],
            "DELETE",
            "/admin/hosts?host=git.example.org",
            "",
        ),
        (
            &["drain-node", "n2", "a new disk"],
            "PATCH",
            "/admin/nodes/n2",
            r#"{"drained":true,"reason":"a new disk"}"#,
        ),
        (
            &["resume-node", "n2"],
            "PATCH",
            "/admin/nodes/n2",
            r#"{"drained":false}"#,
        ),
        // No word leads to another path.
        (
            &["delete", "../builds/7?x#y"],
            "DELETE",
            "/api/packages/..%2Fbuilds%2F7%3Fx%23y",
            "",
        ),
    ] {
        assert_eq!(
            call(words),
            Ok((method, path.to_string(), body.to_string())),
            "{words:?}"
        );
    }
    for (words, why) in [
        (
            &["explode"][..],
            "admin explode: unknown; zigcheck admin lists the words",
        ),
        (&["rename", "p"], "admin rename: takes PACKAGE NAME"),
        (&["status", "now"], "admin status: takes nothing"),
        (&[], "admin: a word is missing"),
    ] {
        assert_eq!(call(words), Err(why.to_string()), "{words:?}");
    }
}

#[test]
fn there_is_a_word_for_each_admin_call_and_each_makes_one_of_the_reference() {
    let pattern = |path: &str| {
        let path = path.split('?').next().unwrap_or_default();
        let path = path.replace("{name}", "{}").replace("{id}", "{}");
        path.replace("{token}", "{}")
    };
    let known = |call: &&zigcheck::app::web::reference::Call| (call.method, pattern(call.path));
    let all: BTreeSet<_> = CALLS.iter().map(|call| known(&call)).collect();
    let of_admins = CALLS.iter().filter(|call| call.kind == Kind::Admin);
    let of_admins: BTreeSet<_> = of_admins.map(|call| known(&call)).collect();
    let made: BTreeSet<_> = WORDS
        .iter()
        .map(|word| (word.method, pattern(word.path)))
        .collect();
    assert!(made.is_subset(&all), "{made:?}");
    assert!(of_admins.is_subset(&made), "{of_admins:?}");
    let operand = |count| vec!["a".to_string(); count];
    for word in WORDS {
        let count = word.operands.split_whitespace().count();
        let words = [vec![word.name.to_string()], operand(count)].concat();
        let body = read(&words).unwrap().body;
        let call = CALLS
            .iter()
            .find(|call| known(call) == (word.method, pattern(word.path)));
        assert_eq!(
            body.is_empty(),
            call.unwrap().body == Body::None,
            "{}",
            word.name
        );
    }
    let names: Vec<&str> = WORDS.iter().map(|word| word.name).collect();
    assert_eq!(names, ADMIN_WORDS);
    assert_eq!(list().lines().count(), WORDS.len());
}
