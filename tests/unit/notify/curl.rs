//! Calls through curl: no secret is in an argument, nothing of a value is an option, and answers are read whole.

use zigcheck::interface::event::{Exit, Input, Now};
use zigcheck::shell::curl::{Call, command, reply, stream};

const NOW: Now = Now {
    mono_ms: 0,
    unix_ms: 1_700_000_000_000,
};

fn settings(input: &[Input]) -> String {
    let [Input::Bytes(bytes)] = input else {
        panic!("{input:?}")
    };
    String::from_utf8(bytes.clone()).unwrap()
}

#[test]
fn a_value_stays_within_its_quotes() {
    let call = Call {
        method: "POST",
        url: "https://a.b/c".to_string(),
        headers: vec![("X-Token", "secret\"\nurl = \"http://elsewhere".to_string())],
        body: Some("{\"a\":\"\\n\"}\n\toutput = x".to_string()),
        limit_s: 30,
    };
    let command = command(&call);
    assert_eq!(command.argv, ["curl", "--disable", "--config", "-"]);
    let text = settings(&command.stdin);
    assert!(
        text.contains("header = \"X-Token: secret\\\"\\nurl = \\\"http://elsewhere\"\n"),
        "{text}"
    );
    assert!(
        text.contains("data-raw = \"{\\\"a\\\":\\\"\\\\n\\\"}\\n\\toutput = x\"\n"),
        "{text}"
    );
    assert!(text.contains("max-time = \"30\"\n") && text.contains("proto = \"=http,https\"\n"));
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(" = ").next())
        .collect();
    assert!(!names.contains(&"output"), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "url").count(), 1);
    let text = settings(&stream("http://a/b", &[], 60).stdin);
    assert!(
        text.contains("fail\n") && text.contains("speed-time = \"60\"\n"),
        "{text}"
    );
    assert!(!text.contains("max-time"), "a stream has no end: {text}");
}

#[test]
fn an_answer_is_its_status_and_when_to_come_again() {
    let read = |said: &str| reply(&Exit::Code(0), b"body", format!("\n{said}").as_bytes(), NOW);
    let after = |said: &str| {
        let reply = read(said).unwrap();
        assert_eq!(reply.body, "body");
        (reply.status, reply.retry_after_s)
    };
    assert_eq!(after("201\t\t\t"), (201, None));
    assert_eq!(after("429\t17\t\t"), (429, Some(17)));
    // 1,700,000,000 is 22:13:20.
    assert_eq!(
        after("503\tTue, 14 Nov 2023 22:14:20 GMT\t\t"),
        (503, Some(60))
    );
    assert_eq!(
        after("503\tTue, 14 Nov 2023 22:00:00 GMT\t\t"),
        (503, Some(0))
    );
    assert_eq!(after("403\t\t0\t1700000090"), (403, Some(90)));
    assert_eq!(after("200\t\t4999\t1700000090"), (200, None));
    assert_eq!(after("429\tsoon\t\t"), (429, None));
    assert!(read("").is_err());
}

#[test]
fn a_call_without_an_answer_says_why() {
    let said = b"curl: (7) Failed to connect to 127.0.0.1 port 9\n\n000\t\t\t";
    let why = reply(&Exit::Code(7), b"", said, NOW).unwrap_err();
    assert_eq!(why, "curl: (7) Failed to connect to 127.0.0.1 port 9");
    let why = reply(&Exit::Signal(9), b"", b"", NOW).unwrap_err();
    assert_eq!(why, "no answer: curl was ended");
    let missing = Exit::NotStarted("cannot start \"curl\"".to_string());
    assert!(
        reply(&missing, b"", b"", NOW)
            .unwrap_err()
            .contains("cannot start")
    );
}
