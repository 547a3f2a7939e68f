//! What an event of the server says.

use serde_json::Value;

use crate::app::domain::package_name;
use crate::app::domain::transition::Transition;
use crate::app::domain::verdict::State;
use crate::config::values::is_version;

/// An event, as far as it is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    pub seq: u64,
    pub build: u64,
    pub package: String,
    pub zig_version: String,
    pub state: State,
    /// The package broke, or works again; none: its build came to that state.
    pub transition: Option<Transition>,
    /// When it happened, as the server writes it.
    pub at: String,
}

/// What a message of the stream is.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    News(News),
    /// Events are gone: the stream goes on with those after this one.
    Reset,
    /// Nothing that this program knows.
    Other,
}

impl Message {
    /// The message in the data of an event.
    pub fn read(data: &str) -> Message {
        let value: Value = serde_json::from_str(data).unwrap_or(Value::Null);
        match value["type"].as_str() {
            Some("reset") => Message::Reset,
            Some(kind) => news(&value, kind).map_or(Message::Other, Message::News),
            None => Message::Other,
        }
    }
}

fn news(value: &Value, kind: &str) -> Option<News> {
    let transition = match kind {
        "build" => None,
        word => Some(Transition::parse(word)?),
    };
    let text = |name: &str| value[name].as_str();
    Some(News {
        seq: value["seq"].as_u64()?,
        build: value["id"].as_u64()?,
        package: text("package")
            .filter(|name| package_name::is_name(name))?
            .to_string(),
        zig_version: text("zig_version")
            .filter(|version| is_version(version))?
            .to_string(),
        state: State::parse(text("state")?)?,
        transition,
        at: text("at")?.to_string(),
    })
}

impl News {
    /// True where somebody could have asked for it: a build has its commit, has ended, or has changed what is known.
    pub fn is_reported(&self) -> bool {
        let has_commit = matches!(
            self.state,
            State::Building | State::Finished | State::Cancelled
        );
        self.transition.is_some() || has_commit
    }
}
