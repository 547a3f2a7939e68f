//! Which URLs and refs may reach a `git` command line.

use zigcheck::app::domain::git_url::{check, check_ref};
use zigcheck::config::settings::Hosts;

fn hosts() -> Hosts {
    Hosts::These(vec!["github.com".to_string(), "git.sr.ht".to_string()])
}

#[track_caller]
fn is_refused(url: &str, words: &str) {
    for hosts in [hosts(), Hosts::Any] {
        let why = check(url, &hosts).expect_err(url);
        assert!(why.contains(words), "{url:?}: {why}");
    }
}

#[test]
fn a_url_names_its_repository() {
    for (url, name) in [
        ("https://github.com/a/b", "b"),
        ("https://github.com/a/b.git", "b"),
        ("https://github.com/a/b.git/", "b"),
        ("https://github.com/b", "b"),
        ("https://GITHUB.com:8443/a/b.zig", "b.zig"),
        ("http://github.com/a/.git.git", ".git"),
        ("git://git.sr.ht/~a/b", "b"),
    ] {
        assert_eq!(check(url, &hosts()), Ok(name.to_string()), "{url}");
    }
    assert_eq!(
        check("https://10.0.0.1/a/b", &Hosts::Any),
        Ok("b".to_string())
    );
    assert_eq!(
        check("https://[::1]:80/a/b", &Hosts::Any),
        Ok("b".to_string())
    );
}

#[test]
fn nothing_that_could_be_an_option_or_another_program_passes() {
    is_refused("-u", "must not start with -");
    is_refused("--upload-pack=x://y/z", "must not start with -");
    for url in [
        "file:///etc/passwd",
        "/etc/passwd",
        "../x",
        "ssh://github.com/a/b",
        "git@github.com:a/b",
        "github.com/a/b",
        "ext::sh",
        "ext::https://github.com/a/b",
        "git+ssh://github.com/a/b",
        "HTTPS://github.com/a/b",
        "://github.com/a/b",
        "",
        "javascript:alert(1)//://x/y",
    ] {
        is_refused(url, "must start with https://");
    }
}

#[test]
fn nothing_but_plain_characters_passes() {
    for inside in [
        "\n", "\r", "\t", " ", "\u{0}", "\u{1b}", "\u{7f}", "\u{e9}", "\u{202e}",
    ]
    .into_iter()
    .chain(["'", "\"", "\\", "`", "<", ">"])
    {
        is_refused(
            &format!("https://github.com/a{inside}b"),
            "must be plain ASCII",
        );
        is_refused(
            &format!("https://github.com/a/b{inside}"),
            "must be plain ASCII",
        );
        is_refused(
            &format!("{inside}https://github.com/a/b"),
            "must be plain ASCII",
        );
    }
}

#[test]
fn no_credentials_pass() {
    for url in [
        "https://user@github.com/a/b",
        "https://user:word@github.com/a/b",
        "https://github.com@10.0.0.1/a/b",
        "https://@github.com/a/b",
        "https://github.com:80@10.0.0.1/a/b",
    ] {
        is_refused(url, "must not contain credentials");
    }
}

#[test]
fn only_a_host_that_is_allowed_passes() {
    for host in [
        "example.com",
        "github.com.example.com",
        "notgithub.com",
        "github.com.",
        "10.0.0.1",
        "[::1]",
        "localhost",
    ] {
        let why = check(&format!("https://{host}/a/b"), &hosts()).expect_err(host);
        assert_eq!(why, "the host must be one of github.com, git.sr.ht");
    }
    for authority in [
        "",
        ":80",
        "github.com:",
        "github.com:x",
        "github.com:70000",
        "github.com:80:80",
        "-a.com",
        "a_b.com",
        "[::1",
        "[::x]",
        "[::1]x",
        "a]b",
        "github.com%00",
        "github.com?x",
        "github.com#",
    ] {
        is_refused(&format!("https://{authority}/a/b"), "does not name a host");
    }
}

#[test]
fn a_url_names_one_repository_and_nothing_more() {
    for url in [
        "https://github.com",
        "https://github.com/",
        "https://github.com//",
        "https://github.com/.git",
    ] {
        is_refused(url, "must name a repository");
    }
    for url in [
        "https://github.com/a/b?ref=x",
        "https://github.com/a/b#x",
        "https://github.com/?a/b",
    ] {
        is_refused(url, "must not contain ? or #");
    }
}

#[test]
fn a_ref_is_what_git_takes_for_one() {
    for good in [
        "main",
        "v1.0.0",
        "release/1.x",
        "HEAD",
        "0123456789abcdef",
        "a@b",
        "a-b",
        "refs/tags/v1",
    ] {
        assert_eq!(check_ref(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "-x",
        "--upload-pack=x",
        "a..b",
        "..",
        "a b",
        "a\n",
        "a\u{0}",
        "\u{e9}",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a@{1}",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.",
        "a.lock",
        "a.lock/b",
        "a'b",
        "a\"b",
        "a`b",
        "\u{7f}",
    ] {
        assert!(check_ref(bad).is_err(), "{bad:?} passed");
    }
}
