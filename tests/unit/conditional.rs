//! Entity tags and ranges, row by row.

use crate::ask::with;
use zigcheck::app::web::conditional::{Part, Precondition, Target, etag, evaluate, range};
use zigcheck::interface::message::{Head, Response};

fn answer(head: &Head, response: Response) -> Response {
    let (response, etag) = zigcheck::app::web::conditional::tagged(response);
    zigcheck::app::web::conditional::answer(head, response, etag.as_deref(), 0)
}

fn none_match(head: &Head, etag: &str) -> bool {
    evaluate(head, Target::Tagged(etag), 0) == Precondition::NotModified
}

fn head(method: &str, headers: &[(&str, &str)]) -> Head {
    with(method, "/", headers)
}

#[test]
fn a_tag_is_strong_and_that_of_the_body_alone() {
    let tag = etag(b"a body");
    assert_eq!(tag, etag(b"a body"));
    assert_eq!(
        (tag.len(), tag.starts_with('"'), tag.ends_with('"')),
        (18, true, true)
    );
    let others = [&b""[..], b"a", b"a bodz", b"a body\0", b"\0a body"];
    let mut tags: Vec<String> = others.iter().map(|body| etag(body)).collect();
    tags.push(tag);
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), others.len() + 1, "two bodies of one tag");
}

#[test]
fn what_the_client_has_is_found_in_any_list() {
    let tag = "\"abc\"";
    for (value, known) in [
        ("\"abc\"", true),
        ("W/\"abc\"", true),
        ("*", true),
        ("\"x\", \"abc\"", true),
        ("\"x\",W/\"abc\",\"y\"", true),
        (", ,\"abc\"", true),
        ("\"a,b\", \"abc\"", true),
        ("\"abc", false),
        ("abc", false),
        ("\"ABC\"", false),
        ("\"abcd\"", false),
        ("w/\"abc\"", false),
        ("\"x\" *", false),
        ("\"x\"", false),
        ("\"x,\"abc\"", false),
        ("x\"abc\"", false),
        ("", false),
    ] {
        let head = head("GET", &[("if-none-match", value)]);
        assert_eq!(none_match(&head, tag), known, "{value}");
        assert_eq!(none_match(&head, "W/\"abc\""), known, "{value}, weakly");
    }
    assert!(!none_match(&head("GET", &[]), tag));
    let lines = [
        ("if-none-match", "\"x\""),
        ("accept", "a"),
        ("if-none-match", "\"abc\""),
    ];
    assert!(none_match(&head("GET", &lines), tag), "in a second line");
}

fn page(status: u16) -> Response {
    Response::new(status, "text/plain", "words\n")
        .with("Vary", "Accept")
        .with("Access-Control-Allow-Origin", "*")
}

fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let found = response.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let first = answer(&head("GET", &[]), page(200));
    assert_eq!(
        (first.status, first.body.as_slice()),
        (200, &b"words\n"[..])
    );
    let tag = value(&first, "ETag").unwrap().to_string();
    assert_eq!(tag, etag(b"words\n"));
    assert_eq!(value(&first, "Cache-Control"), Some("no-cache"));
    for method in ["GET", "HEAD"] {
        let again = answer(&head(method, &[("if-none-match", &tag)]), page(200));
        assert_eq!((again.status, again.body.len()), (304, 0), "{method}");
        assert_eq!(value(&again, "ETag"), Some(tag.as_str()));
        assert_eq!(value(&again, "Vary"), Some("Accept"));
        assert_eq!(value(&again, "Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(value(&again, "Content-Type"), None);
    }
    let other = answer(&head("GET", &[("if-none-match", "\"x\"")]), page(200));
    assert_eq!(other, first);
    // Errors are always told.
    for status in [404, 503] {
        let told = answer(&head("GET", &[("if-none-match", "*")]), page(status));
        assert_eq!(told, page(status), "{status}");
    }
}

#[test]
fn a_range_is_a_part_of_what_there_is() {
    let part = |from, length| Part::Range { from, length };
    for (value, wanted) in [
        ("bytes=0-0", part(0, 1)),
        ("bytes=0-9", part(0, 10)),
        ("bytes=0-99", part(0, 10)),
        ("bytes=9-9", part(9, 1)),
        ("bytes=3-5", part(3, 3)),
        ("bytes=3-", part(3, 7)),
        ("bytes=9-", part(9, 1)),
        ("bytes=-1", part(9, 1)),
        ("bytes=-10", part(0, 10)),
        ("bytes=-11", part(0, 10)),
        ("bytes=-99999999999999999999999", part(0, 10)),
        ("bytes=4-99999999999999999999999", part(4, 6)),
        ("BYTES=3-5", part(3, 3)),
        ("bytes=10-", Part::Unsatisfiable),
        ("bytes=10-11", Part::Unsatisfiable),
        ("bytes=99999999999999999999999-", Part::Unsatisfiable),
        ("bytes=-0", Part::Unsatisfiable),
        ("bytes=010-99999999999999999999999", Part::Unsatisfiable),
        (
            "bytes=99999999999999999999998-099999999999999999999999",
            Part::Unsatisfiable,
        ),
        (
            "bytes=99999999999999999999999-99999999999999999999998",
            Part::Whole,
        ),
        (
            "bytes=99999999999999999999999-9999999999999999999999",
            Part::Whole,
        ),
        ("bytes=5-3", Part::Whole),
        ("bytes = 3-5", Part::Whole),
        ("bytes= 3-5", Part::Whole),
        ("bytes =3-5", Part::Whole),
        ("bytes=3-5 ", Part::Whole),
        ("bytes=3 -5", Part::Whole),
        ("bytes=3- 5", Part::Whole),
        ("bytes=\t3-", Part::Whole),
        ("bytes=3-\u{a0}", Part::Whole),
        ("bytes:3-5", Part::Whole),
        ("bytes 3-5", Part::Whole),
        ("bytes=3-5-7", Part::Whole),
        ("bytes==3-5", Part::Whole),
        ("bytes=-5-", Part::Whole),
        ("bytes=3-5;q=1", Part::Whole),
        ("bytes=\"3-5\"", Part::Whole),
        ("=3-5", Part::Whole),
        ("3-5", Part::Whole),
        ("bytes=20-10", Part::Whole),
        ("bytes=0-1,3-4", Part::Whole),
        ("bytes=0-1,", Part::Whole),
        ("lines=0-1", Part::Whole),
        ("bytes", Part::Whole),
        ("bytes=", Part::Whole),
        ("bytes=-", Part::Whole),
        ("bytes=x-", Part::Whole),
        ("bytes=-x", Part::Whole),
        ("bytes=1-x", Part::Whole),
        ("bytes=+1-2", Part::Whole),
        ("bytes=1--2", Part::Whole),
        ("bytes=--2", Part::Whole),
        ("bytes=1 - 2", Part::Whole),
        ("bytes=0x1-2", Part::Whole),
        ("", Part::Whole),
    ] {
        let head = head("GET", &[("range", value)]);
        assert_eq!(range(&head, 10, "\"t\""), wanted, "{value}");
    }
    assert_eq!(range(&head("GET", &[]), 10, "\"t\""), Part::Whole);
    let two = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
    assert_eq!(range(&head("GET", &two), 10, "\"t\""), Part::Whole);
    let of_head = head("HEAD", &[("range", "bytes=0-1")]);
    assert_eq!(range(&of_head, 10, "\"t\""), Part::Whole);
}

#[test]
fn nothing_has_no_part() {
    for (value, wanted) in [
        ("bytes=0-", Part::Unsatisfiable),
        ("bytes=0-0", Part::Unsatisfiable),
        ("bytes=-0", Part::Unsatisfiable),
        ("bytes=-5", Part::Whole),
    ] {
        let head = head("GET", &[("range", value)]);
        assert_eq!(range(&head, 0, "\"t\""), wanted, "{value}");
    }
}

#[test]
fn a_range_never_leaves_the_body() {
    for length in 0..6 {
        for first in 0..8 {
            for last in 0..8 {
                for text in [
                    format!("{first}-{last}"),
                    format!("{first}-"),
                    format!("-{last}"),
                ] {
                    let head = head("GET", &[("range", &format!("bytes={text}"))]);
                    if let Part::Range { from, length: part } = range(&head, length, "\"t\"") {
                        assert!(part > 0 && from + part <= length, "{text} of {length}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_range_is_only_of_the_version_the_client_means() {
    let some = Part::Range { from: 1, length: 2 };
    for (tag, condition, wanted) in [
        ("\"t\"", "\"t\"", some),
        ("\"t\"", "\"u\"", Part::Whole),
        ("\"t\"", "W/\"t\"", Part::Whole),
        ("W/\"t\"", "W/\"t\"", Part::Whole),
        ("\"t\"", "Wed, 21 Oct 2015 07:28:00 GMT", Part::Whole),
        ("\"t\"", "", Part::Whole),
    ] {
        let head = head("GET", &[("range", "bytes=1-2"), ("if-range", condition)]);
        assert_eq!(range(&head, 10, tag), wanted, "{tag} against {condition}");
    }
}
