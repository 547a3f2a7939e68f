//! What strangers write, driven through every page and every answer: it moves no cursor, turns no line around, adds no
//! element, and is shown as text.

mod asked;
mod shown;

use std::collections::BTreeSet;

use roxmltree::Document;
use serde_json::Value;

use crate::common::html::{Element, parse};
use zigcheck::base::control_chars::is_control;
use zigcheck::interface::message::Response;

/// Each has a word in it by which it is known where it is shown.
pub const HOSTILE: [&str; 19] = [
    "\x1b]0;title\x07mark",
    "\x1b[2J\x1b[31mmark",
    "\u{9b}31mmark",
    "\u{9d}0;mark\u{9c}",
    "mark\r\nfake 0.16.0 success",
    "mark\x0b\x0cfake",
    "\u{85}mark\u{2028}fake\u{2029}",
    "\u{202e}mark\u{202c}",
    "\u{202a}\u{202b}\u{202d}mark",
    "\u{2066}\u{2067}\u{2068}mark\u{2069}",
    "\u{200f}\u{61c}mark\u{e0041}\u{feff}",
    "mark\x08\x08\x7f\u{200b}",
    "mark\r<script>alert('mark')</script>",
    "\"><img src=x onerror=mark>",
    "'><svg/onload=mark>",
    "javascript:mark//<script",
    "mark</title></pre><SCRIPT>",
    "&#60;mark&lt;script&gt;",
    "]]>\0mark</summary><![CDATA[\u{fffe}\u{ffff}--><!--",
];

pub fn value<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    let mut named = response.headers.iter().filter(|(known, _)| *known == name);
    named.next().map(|(_, value)| value.as_str())
}

/// What an answer is made of, and what it says in it.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed {
    /// Its elements with the names of their attributes, or the keys and types of its values.
    pub form: BTreeSet<String>,
    /// Each text and each value of an attribute.
    pub texts: Vec<String>,
}

impl Parsed {
    pub fn html(page: &str) -> Parsed {
        // The page of what goes on has no end yet.
        let ends = match (page.contains("</html>"), page.contains("\"log tail\"")) {
            (true, _) => "",
            (false, true) => "</pre></div></div></main></body></html>",
            (false, false) => "</div></main></body></html>",
        };
        let mut parsed = Parsed::default();
        for Element {
            name,
            attributes,
            text,
        } in parse(&format!("{page}{ends}")).0
        {
            let (names, values): (Vec<String>, Vec<String>) = attributes.into_iter().unzip();
            parsed.form.insert(format!("{name} {}", names.join(" ")));
            parsed.texts.extend(values);
            parsed.texts.push(text);
        }
        parsed
    }

    fn xml(text: &str, what: &str) -> Parsed {
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{what}: {error}"));
        let mut parsed = Parsed::default();
        for node in document.descendants() {
            let attributes: Vec<&str> = node
                .attributes()
                .map(|attribute| attribute.name())
                .collect();
            parsed.form.insert(format!(
                "{:?} {:?} {attributes:?}",
                node.node_type(),
                node.tag_name()
            ));
            let values = node.attributes().map(|attribute| attribute.value());
            parsed
                .texts
                .extend(values.chain(node.text()).map(str::to_string));
        }
        parsed
    }

    fn json(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.texts.push(text.clone()),
            Value::Array(all) => all.iter().for_each(|value| self.json(value)),
            Value::Object(all) => {
                for (key, value) in all {
                    self.form.insert(key.clone());
                    self.json(value);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// JSON in lines, as events or alone.
    fn lines(text: &str, what: &str) -> Parsed {
        let mut parsed = Parsed::default();
        for line in text.lines() {
            let (field, value) = line.split_once(": ").unwrap_or_default();
            match (field, value) {
                ("data", json) => parsed.json(&serde_json::from_str(json).expect(what)),
                ("id" | "event", _) => {}
                _ if line.is_empty() || line.starts_with(':') => {}
                _ => parsed.json(&serde_json::from_str(line).expect(what)),
            }
        }
        parsed
    }

    /// True where that text is in it as a text, or as a part of one.
    pub fn says(&self, text: &str) -> bool {
        self.texts.iter().any(|said| said.contains(text))
    }
}

/// The answer as its type says, which does no harm.
#[track_caller]
pub fn harmless(response: Response, what: &str) -> Parsed {
    let body = String::from_utf8(response.body.clone()).expect("text");
    let mut seen = body.clone();
    if what.contains("color") {
        for code in ["32", "33", "31", "2", "0"] {
            seen = seen.replace(&format!("\x1b[{code}m"), "");
        }
    }
    let is_unseen = |c: char| is_control(c) && !"\n\t".contains(c);
    let line = seen.lines().find(|line| line.contains(is_unseen));
    assert_eq!(line, None, "{what}");
    for (name, value) in &response.headers {
        let is_plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        // Headers name no text of strangers: not where a page moved, not how a file is called.
        assert!(
            is_plain && !value.contains("mark"),
            "{what}: {name}: {value:?}"
        );
        assert!(!name.eq_ignore_ascii_case("set-cookie"), "{what}");
    }
    let kind = value(&response, "Content-Type").unwrap_or("");
    let policy = value(&response, "Content-Security-Policy").unwrap_or("");
    match kind {
        "text/html; charset=utf-8" => {
            assert!(policy.starts_with("default-src 'none'; "), "{policy}");
            Parsed::html(&body)
        }
        "image/svg+xml" | "application/atom+xml; charset=utf-8" => {
            let is_icon = what.starts_with("/favicon.ico");
            assert!(
                is_icon || policy.starts_with("default-src 'none'; sandbox"),
                "{what}"
            );
            Parsed::xml(&body, what)
        }
        "application/json" | "application/x-ndjson" | "text/event-stream" => {
            Parsed::lines(&body, what)
        }
        "text/plain; charset=utf-8" | "text/plain; version=0.0.4; charset=utf-8" | "" => {
            let line = body.lines().find(|line| line.starts_with("fake"));
            assert_eq!(line, None, "{what}: a line of its own in {body:?}");
            assert!(!kind.is_empty() || body.is_empty(), "{what}: {body:?}");
            let texts = vec![body];
            Parsed {
                form: BTreeSet::new(),
                texts,
            }
        }
        other => panic!("{what}: {other}"),
    }
}

pub const HTML: (&str, &str) = ("accept", "text/html");
pub const TEXT: (&str, &str) = ("accept", "text/plain");
pub const LINES: (&str, &str) = ("accept", "application/x-ndjson");
pub const ANY: (&str, &str) = ("accept", "*/*");
