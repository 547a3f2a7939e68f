//! What is known of an event.

use serde_json::Value;

use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::{BuildStatus, ImportStatus, State, Statuses, TestStatus};

/// The event, its build and its package, as JSON.
#[derive(Debug, Clone)]
pub struct Facts(pub Value);

impl Facts {
    /// The event as the server sent it.
    pub fn event(&self) -> &Value {
        &self.0["event"]
    }

    /// What no other event has, also of a server that was restored.
    pub fn number(&self) -> String {
        let event = self.event();
        format!("{}/{}", event["seq"], event["at"].as_str().unwrap_or(""))
    }

    pub fn transition(&self) -> Option<Transition> {
        Transition::parse(self.event()["type"].as_str()?)
    }

    pub fn build(&self) -> u64 {
        self.event()["id"].as_u64().unwrap_or(0)
    }

    /// Its name now: it may have been renamed since.
    pub fn package(&self) -> &str {
        let known = [&self.0["package"]["name"], &self.0["build"]["package"]];
        let known = known.into_iter().find_map(Value::as_str);
        known.or(self.event()["package"].as_str()).unwrap_or("")
    }

    pub fn zig_version(&self) -> &str {
        self.event()["zig_version"].as_str().unwrap_or("")
    }

    /// The URL of its repository.
    pub fn url(&self) -> &str {
        self.0["package"]["url"].as_str().unwrap_or("")
    }

    fn of_build(&self, name: &str) -> Option<&str> {
        self.0["build"][name].as_str()
    }

    pub fn commit(&self) -> Option<&str> {
        let is_hash = |commit: &&str| commit.bytes().all(|b| b.is_ascii_hexdigit());
        self.of_build("commit").filter(is_hash)
    }

    pub fn state(&self) -> Option<State> {
        State::parse(self.of_build("state")?)
    }

    pub fn finished_at(&self) -> &str {
        self.of_build("finished_at").unwrap_or("")
    }

    pub fn detail(&self) -> &str {
        self.of_build("detail").unwrap_or("")
    }

    pub fn errors(&self) -> &str {
        self.of_build("error_log").unwrap_or("")
    }

    pub fn statuses(&self) -> Option<Statuses> {
        statuses(&self.0["build"])
    }
}

/// The verdict in the JSON of a build, or of a row of `build_results`.
pub fn statuses(value: &Value) -> Option<Statuses> {
    let text = |name: &str| value[name].as_str();
    Some(Statuses {
        build: BuildStatus::parse(text("build_status")?)?,
        test: text("test_status").and_then(TestStatus::parse),
        import: text("import_status").and_then(ImportStatus::parse),
        compiled: value["compiled"]
            .as_u64()
            .and_then(|count| count.try_into().ok()),
    })
}
