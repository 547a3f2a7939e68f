//! Uploads that curl sends as a form: with parts, or as text that is no archive any more.

use crate::common::core::{Asked, Inside};
use crate::common::pack::{gzip, small_tree, zstd};
use serde_json::Value;

const FORM: &str = "application/x-www-form-urlencoded";

fn upload(inside: &mut Inside, content_type: &str, body: Vec<&[u8]>) -> (u16, String) {
    let length = body.concat().len().to_string();
    let asked = Asked {
        method: "POST",
        target: "/api/check?name=x",
        headers: vec![("content-type", content_type), ("content-length", &length)],
        body,
        whole: true,
    };
    let response = inside.ask_from(None, &asked).unwrap();
    let value: Value = serde_json::from_slice(&response.body).unwrap();
    (
        response.status,
        value["error"].as_str().unwrap_or_default().to_string(),
    )
}

/// What `curl -d @FILE` sends of a file.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let kept = bytes.iter().filter(|byte| !b"\r\n\0".contains(byte));
    kept.copied().collect()
}

#[test]
fn a_form_is_told_what_curl_should_send_instead() {
    let (mut inside, _memory) = Inside::begin("forms", 1);
    let tree = small_tree();
    for content_type in [
        "multipart/form-data; boundary=x",
        "Multipart/Form-Data",
        "multipart/form-data ;boundary=\"x\"",
    ] {
        let (status, sentence) = upload(&mut inside, content_type, vec![&tree]);
        assert_eq!(status, 415, "{content_type}: {sentence}");
        assert!(sentence.contains("curl --data-binary @FILE"), "{sentence}");
        assert!(sentence.contains("--data-binary @-"), "{sentence}");
    }
    for archive in [tree.clone(), gzip(&tree), zstd(&tree)] {
        let text = stripped(&archive);
        for body in [vec![&text[..]], text.chunks(3).collect()] {
            let (status, sentence) = upload(&mut inside, FORM, body);
            assert_eq!(status, 415, "{sentence}");
            assert!(
                sentence.contains("curl -d") && sentence.contains("--data-binary @-"),
                "{sentence}"
            );
        }
    }
    let json = br#"{"url": "https://github.com/a/b"}"#;
    assert_eq!(upload(&mut inside, FORM, vec![json]).0, 415);
}

#[test]
fn a_form_that_is_an_archive_is_taken() {
    let (mut inside, _memory) = Inside::begin("forms-taken", 1);
    let tree = small_tree();
    // curl names that type for --data-binary, too.
    for archive in [tree.clone(), gzip(&tree), zstd(&tree)] {
        assert_eq!(upload(&mut inside, FORM, vec![&archive]).0, 202);
    }
    for content_type in [FORM, "application/x-tar", ""] {
        // Not what -d makes of a file: it is wrong for its own reasons.
        for body in [&b""[..], b"a\nb", b"\0", &gzip(&tree)[..40]] {
            let (status, sentence) = upload(&mut inside, content_type, vec![body]);
            assert!(!sentence.contains("curl"), "{sentence}");
            assert_eq!(status, 400, "{content_type} {body:?}");
        }
        let (status, _) = upload(&mut inside, content_type, vec![b"text"]);
        assert_eq!(status, if content_type == FORM { 415 } else { 400 });
    }
}
