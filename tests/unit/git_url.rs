//! Which URLs and refs may reach a `git` command line.

use zigcheck::app::domain::git_url::{GitUrl, check_ref, parse};
use zigcheck::config::settings::Hosts;

fn hosts() -> Hosts {
    Hosts::These(vec!["github.com".to_string(), "git.sr.ht".to_string()])
}

/// The URL to fetch from, the ref and the folder.
fn named(url: &str, reference: Option<&str>) -> Result<(String, String, String), String> {
    let hosts = Hosts::Any;
    let GitUrl {
        url,
        reference,
        dir,
        ..
    } = parse(url, reference, &hosts)?;
    Ok((url, reference.unwrap_or_default(), dir.unwrap_or_default()))
}

fn check(url: &str, hosts: &Hosts) -> Result<String, String> {
    parse(url, None, hosts).map(|git| git.name)
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
        ("https://GITHUB.com:8443/a/b.zig", "b.zig"),
        ("http://github.com/a/.git.git", ".git"),
        ("HTTPS://github.com/a/b", "b"),
        ("https://www.github.com/a/b", "b"),
        ("git+https://github.com/a/b", "b"),
        ("ssh://git@github.com/a/b.git", "b"),
        ("ssh://github.com:2222/a/b", "b"),
        ("git+ssh://git@github.com/a/b", "b"),
        ("git@github.com:a/b.git", "b"),
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
        "github.com/a/b",
        "ext::sh",
        "ext::https://github.com/a/b",
        "git@github.com",
        "HTTPX://github.com/a/b",
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
fn a_url_without_a_repository_says_which_one_is_wanted() {
    for (url, words) in [
        (
            "https://github.com/a",
            "must name a repository: send https://github.com/a/REPOSITORY",
        ),
        (
            "https://github.com/a/b?tab=readme",
            "must not contain ? or #; send https://github.com/a/b, and a branch or tag as ref",
        ),
        (
            "https://github.com/a/b/issues/5",
            "is a page of a repository; send https://github.com/a/b, and a branch or tag as ref",
        ),
    ] {
        assert_eq!(named(url, None), Err(words.to_string()));
    }
    for url in [
        "https://github.com/a/b/releases",
        "https://github.com/a/b/pull/7/files",
        "https://github.com/a/b/releases/tag/v1",
        "https://github.com/a/b/blob",
        "https://gitlab.com/g/h/p/-/issues/5",
        "https://gitlab.com/g/h/p/-/merge_requests",
        "https://codeberg.org/a/b/src/branch",
        "https://git.sr.ht/~a/b/log",
        "https://git.example.org/a/b/issues",
        "https://git.example.org/a/b/commits/main",
    ] {
        let why = named(url, None).expect_err(url);
        assert!(
            why.starts_with("is a page of a repository; send https://"),
            "{url}: {why}"
        );
    }
}

#[test]
fn a_page_of_files_names_repository_branch_and_folder() {
    for (page, url, reference, dir) in [
        (
            "https://github.com/a/b/tree/main",
            "https://github.com/a/b",
            "main",
            "",
        ),
        (
            "https://github.com/a/b/tree/main/lib/x/",
            "https://github.com/a/b",
            "main",
            "lib/x",
        ),
        (
            "https://github.com/a/b/tree/v1.0%2Brc",
            "https://github.com/a/b",
            "v1.0+rc",
            "",
        ),
        (
            "https://www.github.com/a/b.git/tree/v1",
            "https://www.github.com/a/b.git",
            "v1",
            "",
        ),
        (
            "https://github.com/a/b/blob/main/src/root.zig",
            "https://github.com/a/b",
            "main",
            "",
        ),
        (
            "https://github.com/a/b/blob/main/x/build.zig",
            "https://github.com/a/b",
            "main",
            "x",
        ),
        (
            "https://github.com/a/b/blob/main/build.zig.zon",
            "https://github.com/a/b",
            "main",
            "",
        ),
        (
            "https://github.com/a/b/commit/0a1b",
            "https://github.com/a/b",
            "0a1b",
            "",
        ),
        (
            "https://github.com/a/b/tree",
            "https://github.com/a/b",
            "",
            "",
        ),
        (
            "https://gitlab.com/g/h/p/-/tree/main/x",
            "https://gitlab.com/g/h/p",
            "main",
            "x",
        ),
        (
            "https://gitlab.com/g/p/tree/main",
            "https://gitlab.com/g/p",
            "main",
            "",
        ),
        (
            "https://gitlab.example/g/p/-/blob/v1/a.zig",
            "https://gitlab.example/g/p",
            "v1",
            "",
        ),
        (
            "https://codeberg.org/a/b/src/branch/main",
            "https://codeberg.org/a/b",
            "main",
            "",
        ),
        (
            "https://codeberg.org/a/b/src/tag/v1/x",
            "https://codeberg.org/a/b",
            "v1",
            "x",
        ),
        (
            "https://git.example:3000/a/b/src/commit/0a",
            "https://git.example:3000/a/b",
            "0a",
            "",
        ),
        (
            "https://git.sr.ht/~a/b/tree/main/item/x",
            "https://git.sr.ht/~a/b",
            "main",
            "x",
        ),
        (
            "https://bitbucket.org/a/b/src/main/x",
            "https://bitbucket.org/a/b",
            "main",
            "x",
        ),
        (
            "http://127.0.0.1:8197/ann/leaf/tree/main",
            "http://127.0.0.1:8197/ann/leaf",
            "main",
            "",
        ),
        // No pages: on a host that is not known a repository may lie at any depth.
        (
            "https://git.example/a/tree/b",
            "https://git.example/a/tree/b",
            "",
            "",
        ),
        (
            "https://git.example/a/b/tree",
            "https://git.example/a/b/tree",
            "",
            "",
        ),
        (
            "https://git.example/a/b/issues/x.git",
            "https://git.example/a/b/issues/x.git",
            "",
            "",
        ),
        (
            "https://git.example/b.git",
            "https://git.example/b.git",
            "",
            "",
        ),
    ] {
        let whole = [url, reference, dir].map(str::to_string);
        assert_eq!(named(page, None), Ok(whole.into()), "{page}");
    }
}

/// Where a branch ends and a folder begins, the URL does not say.
#[test]
fn a_branch_with_a_slash_in_its_name_is_sent_as_ref() {
    let page = "https://github.com/a/b/tree/feature/x/lib";
    let whole = |reference: &str, dir: &str| {
        Ok(["https://github.com/a/b", reference, dir]
            .map(str::to_string)
            .into())
    };
    assert_eq!(named(page, None), whole("feature", "x/lib"));
    assert_eq!(named(page, Some("feature/x")), whole("feature/x", "lib"));
    assert_eq!(
        named(page, Some("feature/x/lib")),
        whole("feature/x/lib", "")
    );
    assert_eq!(
        named(page, Some("feature/xy")),
        Err("shows feature/x/lib, not the ref feature/xy".to_string())
    );
}

#[test]
fn a_long_name_has_the_owner_in_it() {
    for (url, name) in [
        ("https://github.com/Hejsil/zig-clap.git", "Hejsil-zig-clap"),
        ("https://gitlab.com/g/h/P", "g-h-P"),
        ("https://git.sr.ht/~a/b", "a-b"),
        ("https://git.example:3000/b", "git.example-3000-b"),
    ] {
        assert_eq!(
            parse(url, None, &Hosts::Any).unwrap().long_name,
            name,
            "{url}"
        );
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
