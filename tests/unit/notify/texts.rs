//! What a package says is quoted in issues and mails, and is nothing else there.

use serde_json::{Value, json};
use zigcheck::app::domain::transition::Transition;
use zigcheck::interface::event::Input;
use zigcheck::notify::config::Mail;
use zigcheck::notify::limits::{ERROR_LIMIT_LINES, ERROR_LINE_LIMIT_CHARS};
use zigcheck::notify::{mail, texts};

use super::{GITHUB, config, everything, facts, read};

fn hostile() -> Value {
    let lines: Vec<String> = (0..100)
        .map(|nth| {
            format!(
                "```\n<!-- --> @everyone {nth} \u{1b}[31m\u{202e}{}",
                "x".repeat(500)
            )
        })
        .collect();
    json!({ "error_log": lines.join("\n"), "detail": "a\r\nBcc: you@example.org\n\n." })
}

#[test]
fn errors_of_a_package_are_code_in_an_issue() {
    let text = texts::issue_text(&config(), &facts("newly_broken", &hostile(), GITHUB));
    let quoted: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("everyone") || line.contains("```"))
        .collect();
    assert_eq!(quoted.len(), ERROR_LIMIT_LINES);
    for line in quoted {
        assert!(line.starts_with("    "), "{line}");
        assert!(line.chars().count() <= ERROR_LINE_LIMIT_CHARS + 4, "{line}");
    }
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']));
    assert!(text.contains("https://zig.example.org/builds/7") && text.contains("0123456789abcdef"));
    assert!(text.contains(&texts::issue_mark("zeit", "0.16.0")));
    assert_eq!(
        texts::issue_title("zeit", "0.16.0"),
        "zeit fails under Zig 0.16.0"
    );
    let mended = texts::mended_text(&config(), &facts("newly_fixed", &json!({}), GITHUB));
    assert!(
        mended.starts_with("It works under Zig 0.16.0 again, at commit 0123"),
        "{mended}"
    );
}

#[test]
fn a_mail_has_its_headers_and_no_others() {
    let config = config();
    let sender = Mail {
        from: "zigcheck@example.org".to_string(),
        sendmail: "/usr/sbin/sendmail".into(),
    };
    let known = facts("newly_broken", &hostile(), GITHUB);
    let to = (&sender, "me@example.org");
    let task = mail::task(&config, &known, to, Transition::NewlyBroken);
    let data: Value = serde_json::from_str(&task.data).unwrap();
    let command = mail::send(&config, &data).unwrap();
    assert_eq!(
        command.argv,
        [
            "/usr/sbin/sendmail",
            "-i",
            "-f",
            "zigcheck@example.org",
            "me@example.org"
        ]
    );
    let [Input::Bytes(message)] = &command.stdin[..] else {
        panic!()
    };
    let message = String::from_utf8(message.clone()).unwrap();
    let (head, body) = message.split_once("\n\n").unwrap();
    let names: Vec<&str> = head
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    let expected = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, expected);
    assert!(head.contains("\nSubject: zeit fails under Zig 0.16.0\n"));
    assert!(
        head.contains("\nDate: Sat, 28 Nov 2026 15:29:36 +0000\n"),
        "{head}"
    );
    assert!(head.contains("\nAuto-Submitted: auto-generated\n"));
    assert!(body.contains("https://zig.example.org/builds/7") && body.contains(GITHUB));
    // RFC 5322, 2.1.1.
    assert!(
        message
            .lines()
            .all(|line| line.len() <= 998 && !line.contains('\r'))
    );
    assert!(!message.contains("\nBcc"));
    let again = mail::task(&config, &known, to, Transition::NewlyBroken);
    assert_eq!(
        (again.key, again.data),
        (task.key, task.data),
        "it is one message"
    );
    let mut value = everything();
    value["packages"] = json!([]);
    assert!(mail::send(&read(&value).unwrap(), &data).is_err());
    let works = facts("newly_fixed", &json!({ "build_status": "success" }), GITHUB);
    let task = mail::task(&config, &works, to, Transition::NewlyFixed);
    assert!(task.data.contains("zeit works again under Zig 0.16.0"));
}
