//! A command and an answer for each call of the reference.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::app::web::reference::{Body, Call, Kind};

/// Answers of a server that has checked one package, by method and path. A test writes them, and holds them true.
const EXAMPLES: &str = include_str!("examples.json");

impl Call {
    /// A command that makes this call; none for a WebSocket.
    pub fn curl(&self, host: &str) -> Option<String> {
        let path = self.path.replace("{name}", "zeit").replace("{id}", "1");
        let path = path.replace("{owner}/{repo}", "x/zeit");
        let path = path.replace("{old}..{new}", "0.15.2..0.16.0");
        let path = path.replace("{version}", "0.16.0");
        let path = path.replace("{token}", "laptop");
        let method = match self.method {
            "GET" => String::new(),
            method => format!("-X {method} "),
        };
        let token = match self.kind {
            Kind::Admin => "-H \"Authorization: Bearer $TOKEN\" ",
            Kind::Socket => return None,
            Kind::Read | Kind::Submit | Kind::Hook | Kind::Local => "",
        };
        Some(match self.body {
            Body::None => format!("curl {method}{token}'{host}{path}'"),
            Body::Archive => format!(
                "git archive HEAD | curl {method}--data-binary @- '{host}{path}?name=zeit&wait'"
            ),
            Body::Json(_) => {
                let body = match self.path {
                    "/admin/trigger-build" => r#"{"package_name": "zeit"}"#,
                    "/admin/tokens" => r#"{"name": "laptop", "scope": "admin"}"#,
                    "/api/packages" => r#"{"url": "https://github.com/x/zeit"}"#,
                    "/admin/nodes/{name}" => r#"{"drained": true, "reason": "a new disk"}"#,
                    "/admin/hosts" => r#"{"host": "git.example.org"}"#,
                    "/admin/quotas" => r#"{"address": "192.0.2.0/24", "per_hour": 10}"#,
                    "/admin/issues" => {
                        r#"{"package":"zeit","zig_version":"0.15.2","issue_url":"https://a.b/5","issue_status":"open"}"#
                    }
                    "/hooks/push" => {
                        r#"{"ref": "refs/heads/main", "repository": {"clone_url": "https://github.com/x/zeit"}}"#
                    }
                    "/admin/check-all"
                    | "/api/packages/{name}/compat"
                    | "/api/packages/{owner}/{repo}/compat" => r#"{"zig_version": "0.15.2"}"#,
                    _ => r#"{"description": "time"}"#,
                };
                format!("curl {method}{token}--json '{body}' '{host}{path}'")
            }
        })
    }

    /// What it answers, as an example.
    pub fn example(&self) -> Option<&'static str> {
        static ALL: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
            let all = serde_json::from_str(EXAMPLES).expect("the file is a part of the program");
            let Value::Object(all) = all else {
                return HashMap::new();
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            all.iter()
                .map(|(call, example)| (call.clone(), text(example)))
                .collect()
        });
        let key = format!("{} {}", self.method, self.path);
        ALL.get(&key).map(String::as_str)
    }
}
