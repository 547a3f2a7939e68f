//! The configuration is read whole, or refused by one sentence that names the field.

use serde_json::{Value, json};
use zigcheck::notify::config::{Asked, Config, ForgeKind, owners_file};

use super::{config, everything, read};

#[test]
fn a_configuration_has_its_defaults_and_its_secrets() {
    let config = config();
    assert_eq!(config.public_url, "https://zig.example.org");
    assert_eq!(config.server_token.as_deref(), Some("token-secret"));
    let forges: Vec<_> = config
        .forges
        .iter()
        .map(|forge| (forge.kind, &forge.api[..], &forge.token[..], forge.owners))
        .collect();
    let expected = [
        (
            ForgeKind::GitHub,
            "https://api.github.com",
            "github-secret",
            true,
        ),
        (
            ForgeKind::Forgejo,
            "https://codeberg.org/api/v1",
            "forgejo-secret",
            false,
        ),
        (
            ForgeKind::GitLab,
            "https://gitlab.example.org/git/api/v4",
            "gitlab-secret",
            false,
        ),
    ];
    assert_eq!(forges, expected);
    assert_eq!(config.first_pause_ms, 60_000);
    let sendmail = config.mail.unwrap().sendmail;
    assert_eq!(sendmail.to_str(), Some("/usr/sbin/sendmail"));
    let empty = read(&json!({})).unwrap();
    assert_eq!(empty.server, "http://127.0.0.1:3000");
    assert!(!empty.may_ask("zeit"));
}

#[test]
fn rows_for_one_package_and_for_all_add_up() {
    let mut value = everything();
    value["packages"] = json!([
        { "package": "*", "notify": ["status"], "mail": ["all@example.org", "me@example.org"] },
        { "package": "zeit", "notify": ["issue"], "mail": ["me@example.org"] },
    ]);
    let config = read(&value).unwrap();
    let asked = config.asked("zeit");
    assert!(asked.status && asked.issue);
    assert_eq!(asked.mail, ["all@example.org", "me@example.org"]);
    let other = config.asked("other");
    assert!(other.status && !other.issue);
}

#[test]
fn an_owner_asks_for_nothing_that_goes_elsewhere() {
    let asks = |text: &str| {
        let asked = owners_file(text);
        let nowhere = asked.webhooks.is_empty() && asked.mail.is_empty();
        assert!(nowhere, "{text}");
        (asked.status, asked.issue)
    };
    assert_eq!(asks(r#"{"notify": ["status", "issue"]}"#), (true, true));
    assert_eq!(
        asks(r#"{"notify": ["issue", "later-word", 7]}"#),
        (false, true)
    );
    assert_eq!(
        asks(r#"{"notify": [], "webhooks": ["https://a.b"], "mail": ["a@b"]}"#),
        (false, false)
    );
    for text in ["", "[]", "{}", r#"{"notify": "status"}"#, "not JSON"] {
        assert_eq!(owners_file(text), Asked::default(), "{text}");
    }
    let long = format!(r#"{{"notify": ["status"], "x": "{}"}}"#, "x".repeat(5_000));
    assert_eq!(asks(&long), (false, false));
}

#[test]
fn what_is_wrong_is_named() {
    let change = |path: &str, to: Value| {
        let mut value = everything();
        *value.pointer_mut(path).unwrap() = to;
        value
    };
    let with = |name: &str, to: Value| {
        let mut value = everything();
        value[name] = to;
        value
    };
    for (value, sentence) in [
        (
            with("port", json!(1)),
            "unknown field \"port\"; allowed: server, ",
        ),
        (
            change("/server", json!("localhost")),
            "server: must be an URL",
        ),
        (
            change("/server", json!("http://me@host")),
            "server: must be an URL",
        ),
        (
            change("/forges/0/kind", json!("svn")),
            "forges[0].kind: must be github, forgejo or gitlab",
        ),
        (
            change("/forges/1/url", json!(7)),
            "forges[1].url: must be a text",
        ),
        (
            change("/forges/1/token_file", Value::Null),
            "forges[1].token_file: is missing",
        ),
        (
            change("/forges/0/owners", json!("yes")),
            "forges[0].owners: must be true or false",
        ),
        (
            change("/packages/0/package", json!("a/b")),
            "packages[0].package: must be the name of a package",
        ),
        (
            change("/packages/0/notify", json!(["mail"])),
            "packages[0].notify[0]: must be status or issue",
        ),
        (
            change("/packages/0/webhooks", json!(["ftp://a"])),
            "packages[0].webhooks[0]: must be an URL",
        ),
        (
            change("/packages/0/mail", json!(["-Xlog"])),
            "packages[0].mail[0]: must be a mail address",
        ),
        (
            change("/packages/0/mail", json!(["-x@y"])),
            "packages[0].mail[0]: must be a mail address",
        ),
        (
            change("/packages/0/mail", json!(["a@b\nBcc: c@d"])),
            "packages[0].mail[0]: must be a mail address",
        ),
        (
            change("/packages/0/mail", json!(["a@b,c@d"])),
            "packages[0].mail[0]: must be a mail address",
        ),
        (
            change("/mail/from", json!("nobody")),
            "mail.from: must be a mail address",
        ),
        (change("/mail", Value::Null), "mail: is missing"),
        (
            change("/webhook_secret_file", Value::Null),
            "webhook_secret_file: is missing",
        ),
        (change("/token_file", Value::Null), "token_file: is missing"),
        (
            with("first_pause_s", json!(0)),
            "first_pause_s: must be a whole number from 1 to 3600",
        ),
    ] {
        let why = read(&value).err().unwrap_or_default();
        assert!(why.starts_with(sentence), "{why:?} is not {sentence:?}");
        assert_eq!(why.lines().count(), 1);
    }
    let secret = |_: &std::path::Path| Ok(String::new());
    let why = Config::read("{\n \"server\": }", &secret).err().unwrap();
    assert!(why.contains("line 2"), "{why}");
    let closed = |_: &std::path::Path| Err("must not be open to others".to_string());
    let why = Config::read(&everything().to_string(), &closed)
        .err()
        .unwrap();
    assert!(why.contains("token: must not be open to others"), "{why}");
}
