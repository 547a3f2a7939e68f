//! What may be submitted, and what the answer to anything else names.

use crate::ask::{VERSIONS, admitted, answer, refused, request, with};
use serde_json::{Value, json};
use zigcheck::app::store::packages::NewPackage;
use zigcheck::app::web::limits::DIR_LIMIT_BYTES;
use zigcheck::app::web::routes::submit::SubmitCall;
use zigcheck::app::web::routes::table::Call;
use zigcheck::interface::message::{Admission, Request};

fn submission(body: &Value) -> Request {
    request("POST", "/api/packages", body.to_string().as_bytes())
}

fn submitted(body: Value) -> (NewPackage, Vec<String>) {
    match answer(&submission(&body)) {
        Ok(Call::Submit(SubmitCall::Package {
            package,
            names,
            zig_versions,
        })) => {
            assert_eq!(names[0], package.name);
            (package, zig_versions)
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[track_caller]
fn is_refused(fields: Value, words: &str) {
    let mut body = json!({"url": "https://github.com/a/b"});
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    let sentence = refused(400, &submission(&body));
    assert!(sentence.starts_with(words), "{body}: {sentence}");
}

#[test]
fn a_submission_is_read_whole() {
    let (package, versions) = submitted(json!({
        "url": "https://codeberg.org:443/a/b.git/", "ref": "release/1.x", "dir": "lib/a b", "name": "n",
        "description": "d\n\u{e9}", "author": "", "license": null,
        "zig_versions": ["0.15.2", "0.16.0", "0.15.2"], "unknown": {}
    }));
    let wanted = NewPackage {
        name: "n".to_string(),
        url: "https://codeberg.org:443/a/b.git/".to_string(),
        reference: Some("release/1.x".to_string()),
        dir: Some("lib/a b".to_string()),
        description: Some("d\n\u{e9}".to_string()),
        author: None,
        license: None,
    };
    // Each version once, in the server's order.
    assert_eq!(
        (package, versions),
        (wanted, VERSIONS.map(str::to_string).to_vec())
    );
    for (url, name) in [
        ("https://github.com/a/zig-b", "zig-b"),
        ("http://GitHub.com/a/b.git", "b"),
        ("git://git.sr.ht/~a/b/", "b"),
    ] {
        for fields in [
            json!({"url": url}),
            json!({"url": url, "name": "", "ref": "", "zig_versions": null}),
        ] {
            let (package, versions) = submitted(fields);
            assert_eq!((package.name.as_str(), package.reference), (name, None));
            assert_eq!(versions, VERSIONS);
        }
    }
    let (package, _) = submitted(json!({"url": "https://github.com/a/b", "name": "x".repeat(100)}));
    assert_eq!(package.name.len(), 100);
}

#[test]
fn a_directory_stays_inside_its_source() {
    let of = |dir: &str| {
        let (package, _) = submitted(json!({"url": "https://github.com/a/b", "dir": dir}));
        package.dir
    };
    let upload = |dir: &str| {
        let dir: String = form_urlencoded::byte_serialize(dir.as_bytes()).collect();
        request("POST", &format!("/api/check?dir={dir}"), b"")
    };
    let longest = "d".repeat(DIR_LIMIT_BYTES);
    for (dir, wanted) in [
        ("a", Some("a")),
        ("a/b.c/-d", Some("a/b.c/-d")),
        ("a/b/", Some("a/b")),
        ("..a/.b", Some("..a/.b")),
        ("\u{e9} \\$(x)", Some("\u{e9} \\$(x)")),
        (&longest, Some(longest.as_str())),
        ("", None),
        (".", None),
        ("./", None),
    ] {
        assert_eq!(of(dir).as_deref(), wanted, "{dir:?}");
        match answer(&upload(dir)) {
            Ok(Call::Upload(options)) => assert_eq!(options.dir.as_deref(), wanted, "{dir:?}"),
            other => panic!("{dir:?}: {other:?}"),
        }
    }
    let longer = "d".repeat(DIR_LIMIT_BYTES + 1);
    for (dir, words) in [
        ("..", "dir: must not have empty parts, . or .."),
        ("a/../b", "dir: must not have empty parts, . or .."),
        ("a//b", "dir: must not have empty parts, . or .."),
        ("a/./b", "dir: must not have empty parts, . or .."),
        ("a//", "dir: must not have empty parts, . or .."),
        ("/", "dir: must be relative to the root of the source"),
        ("/etc", "dir: must be relative to the root of the source"),
        ("a\nb", "dir: must not contain control characters"),
        ("a\u{7f}", "dir: must not contain control characters"),
        ("a\u{9b}", "dir: must not contain control characters"),
        (&longer, "dir: must be at most 256 bytes long"),
    ] {
        is_refused(json!({ "dir": dir }), words);
        assert_eq!(refused(400, &upload(dir)), words, "{dir:?}");
    }
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    let post = |body: &[u8]| refused(400, &request("POST", "/api/packages", body));
    for body in [
        &b""[..],
        b"{",
        b"{'url': 1}",
        b"{} {}",
        b"\xff\xfe",
        b"url=https://github.com/a/b",
    ] {
        assert!(post(body).starts_with("the body is not JSON: "), "{body:?}");
    }
    for body in ["[]", "7", "null", "\"https://github.com/a/b\""] {
        assert_eq!(post(body.as_bytes()), "the body must be a JSON object");
    }
    assert_eq!(post(b"{}"), "url: is missing");
    for (kind, taken) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/x-www-form-urlencoded", true),
        ("application/vnd.api+json", true),
        ("text/plain", false),
        ("multipart/form-data; boundary=x", false),
    ] {
        let headers = [("content-type", kind), ("content-length", "9")];
        match admitted(&with("POST", "/api/packages", &headers)) {
            Admission::Refuse(response) => assert_eq!((response.status, taken), (415, false)),
            Admission::Collect { .. } | Admission::Spool { .. } => assert!(taken, "{kind}"),
        }
    }
}

#[test]
fn a_field_of_a_wrong_kind_is_named() {
    for name in [
        "url",
        "ref",
        "dir",
        "name",
        "description",
        "author",
        "license",
    ] {
        for value in [json!(7), json!(true), json!(["x"]), json!({})] {
            is_refused(json!({ name: value }), &format!("{name}: must be a string"));
        }
        is_refused(
            json!({ name: "x\u{0}" }),
            &format!("{name}: must not contain a NUL"),
        );
        is_refused(
            json!({ name: "x".repeat(2_001) }),
            &format!("{name}: must be"),
        );
    }
    is_refused(json!({"url": ""}), "url: is missing");
    is_refused(json!({"url": null}), "url: is missing");
    for value in [
        json!("0.16.0"),
        json!(7),
        json!({}),
        json!([7]),
        json!([null]),
    ] {
        is_refused(
            json!({ "zig_versions": value }),
            "zig_versions: must be a list of strings",
        );
    }
    is_refused(
        json!({"zig_versions": []}),
        "zig_versions: must name at least one",
    );
    is_refused(
        json!({"zig_versions": ["0.16.0", "0.1.0"]}),
        "zig_versions: unknown Zig version 0.1.0; available: 0.16.0, 0.15.2",
    );
    is_refused(
        json!({"zig_versions": ["<b>"]}),
        "zig_versions: unknown Zig version; available: 0.16.0, 0.15.2",
    );
    for query in [
        "zig_versions=0.1.0",
        "zig_versions=,",
        "zig_versions=0.16.0,",
        "name=a/b",
    ] {
        refused(400, &request("POST", &format!("/api/check?{query}"), b""));
    }
}

#[test]
fn a_name_is_of_plain_characters() {
    let long = "x".repeat(101);
    for name in [
        &long,
        "a b",
        "a/b",
        "\u{e9}",
        "a\n",
        "<b>",
        "..",
        ".",
        "a%20",
        "a\u{202e}b",
    ] {
        is_refused(json!({ "name": name }), "name: must be 1 to 100 of");
    }
    is_refused(
        json!({"url": "https://github.com/a/~b"}),
        "name: must be 1 to 100 of",
    );
}
