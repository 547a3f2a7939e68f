//! Everything that can be asked: what is wrong in a request does no harm in its answer.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{ANY, HOSTILE, HTML, LINES, TEXT, harmless};
use crate::common::core::{Asked, Inside, TOKEN};
use crate::common::rows::in_memory;

#[test]
fn what_is_asked_does_no_harm_in_the_answer() {
    let bearer = format!("Bearer {TOKEN}");
    let admin = ("authorization", bearer.as_str());
    for word in HOSTILE {
        let mut inside = Inside::open("hostile-asks", in_memory(), 1);
        let encoded = utf8_percent_encode(word, NON_ALPHANUMERIC).to_string();
        let mut count = 0;
        let mut ask = |method: &str, target: &str, headers: &[(&str, &str)], body: &str| {
            for accept in [ANY, HTML, TEXT, LINES] {
                let headers = [&[accept, ("host", word)], headers].concat();
                let asked = Asked {
                    method,
                    target,
                    headers,
                    body: vec![body.as_bytes()],
                    whole: true,
                };
                let response = inside.ask_from(None, &asked).expect("an answer");
                let what = format!("{method} {target} {accept:?} {body}");
                harmless(response, &what);
                count += 1;
            }
        };
        for name in [
            "search",
            "sort",
            "status",
            "state",
            "page",
            "limit",
            "package",
            "check",
            "color",
            "zig_version",
            "zig_versions",
            "name",
            "tail",
            "since",
            "from",
            "build",
            "follow",
            "url",
        ] {
            for path in [
                "/",
                "/packages/p",
                "/queue",
                "/submit",
                "/api/packages",
                "/api/builds",
                "/api/queue",
                "/api/events",
                "/api/checks/1",
                "/api/builds/1/log",
                "/metrics",
            ] {
                ask("GET", &format!("{path}?{name}={encoded}"), &[], "");
            }
            ask(
                "PUT",
                &format!("/api/check?{name}={encoded}"),
                &[("content-length", "0")],
                "",
            );
        }
        for path in [
            "/",
            "/packages/",
            "/checks/",
            "/builds/",
            "/api/packages/",
            "/api/checks/",
            "/api/builds/",
            "/api/",
            "/badge/",
            "/feed.atom?zig_version=",
        ] {
            ask("GET", &format!("{path}{encoded}.svg"), &[], "");
            ask("GET", &format!("{path}{encoded}"), &[], "");
            ask("GET", &format!("{path}{word}"), &[], "");
        }
        ask("DELETE", &format!("/api/builds/{encoded}"), &[admin], "");
        ask(word, "/", &[], "");
        for fields in [
            json!({"url": word}),
            json!({"url": format!("https://github.com/{word}")}),
            json!({"url": format!("https://{word}/x/y")}),
            json!({"url": "https://github.com/x/y", "ref": word}),
            json!({"url": "https://github.com/x/y", "name": word}),
            json!({"url": "https://github.com/x/y", "zig_versions": [word]}),
            json!({"package_name": word}),
            json!({ "package_id": word }),
            json!({ word: word }),
            json!(word),
        ] {
            let body = fields.to_string();
            ask("POST", "/api/packages", &[], &body);
            let form = ("content-type", "application/x-www-form-urlencoded");
            for field in ["url", "ref", "dir", "name", "search"] {
                let body = format!("url=https%3A%2F%2Fgithub.com%2Fx%2Fy&{field}={encoded}");
                ask("POST", "/submit", &[form], &body);
            }
            ask("POST", "/admin/trigger-build", &[admin], &body);
        }
        for fields in [
            json!({"ref": word, "repository": {"clone_url": word}}),
            json!({"ref": "refs/heads/main", "repository": {"clone_url": format!("https://x.org/{word}")}}),
            json!({"refs": [{"name": word}], "repository": {"owner": {"canonicalName": word}, "name": word}}),
            json!({ word: word }),
        ] {
            ask("POST", "/hooks/push", &[], &fields.to_string());
            let event = ("x-github-event", word);
            ask(
                "POST",
                &format!("/hooks/push?url={encoded}"),
                &[event],
                &fields.to_string(),
            );
        }
        for headers in [
            [("content-type", word)],
            [("origin", word)],
            [("authorization", word)],
        ] {
            ask("POST", "/api/packages", &headers, word);
            ask("POST", "/admin/trigger-build", &headers, word);
            ask("GET", "/ws", &[("origin", word)], "");
        }
        assert!(count > 600);
    }
}
