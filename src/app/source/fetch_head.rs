//! The fields of the head of what a fetch sends: the line of JSON before its bytes.

use serde_json::Value;

use crate::app::domain::declared::Declared;
use crate::app::source::limits::{
    DECLARED_TEXT_LIMIT_BYTES, FRAME_ANCESTORS_LIMIT, FRAME_DECLARED_LIMIT, FRAME_HOSTS_LIMIT,
    FRAME_USES_LIMIT, HOST_LIMIT_BYTES,
};
use crate::app::source::unpack::Format;
use crate::config::limits::DEPENDENCY_URL_LIMIT_BYTES;

/// True for a commit hash as git writes it: 40 hex digits, or 64.
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub fn format_of(head: &Value) -> Result<Format, String> {
    let known = [Format::Tar, Format::TarGz, Format::TarZst];
    let found = known
        .into_iter()
        .find(|known| head["format"] == known.as_str());
    found.ok_or_else(|| "it does not say its format".to_string())
}

/// The digest of the dependencies that the manifests name, empty without any.
pub fn manifest_of(head: &Value) -> Option<String> {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let manifest = head["manifest"].as_str();
    let manifest = manifest.filter(|text| text.is_empty() || is_hash(text));
    manifest.map(str::to_string)
}

/// The URLs of the packages that the source uses.
pub fn uses_of(head: &Value) -> Vec<String> {
    let uses = head["uses"].as_array().into_iter().flatten();
    let urls = uses.filter_map(Value::as_str);
    urls.filter(|url| url.len() <= DEPENDENCY_URL_LIMIT_BYTES)
        .take(FRAME_USES_LIMIT)
        .map(str::to_string)
        .collect()
}

/// The dependencies that the manifests declare.
pub fn declared_of(head: &Value) -> Vec<Declared> {
    let all = head["declared"].as_array().into_iter().flatten();
    all.filter_map(declared)
        .take(FRAME_DECLARED_LIMIT)
        .collect()
}

fn declared(value: &Value) -> Option<Declared> {
    let text = |name: &str, limit: usize| {
        let text = value[name].as_str().filter(|text| !text.is_empty());
        text.filter(|text| text.len() <= limit).map(str::to_string)
    };
    Some(Declared {
        name: text("name", DECLARED_TEXT_LIMIT_BYTES)?,
        url: text("url", DEPENDENCY_URL_LIMIT_BYTES)?,
        hash: text("hash", DECLARED_TEXT_LIMIT_BYTES),
        lazy: value["lazy"] == true,
    })
}

/// The hosts that the fetch was asked to contact and that `--allow-hosts` does not name.
pub fn hosts_refused_of(head: &Value) -> Vec<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let hosts = head["hosts_refused"].as_array().into_iter().flatten();
    let hosts = hosts.filter_map(Value::as_str);
    hosts
        .filter(|host| (1..=HOST_LIMIT_BYTES).contains(&host.len()) && host.bytes().all(is_plain))
        .take(FRAME_HOSTS_LIMIT)
        .map(str::to_string)
        .collect()
}

/// The commits that the fetch was asked about and that are in the history of its own.
pub fn ancestors_of(head: &Value) -> Vec<String> {
    let commits = head["ancestors"].as_array().into_iter().flatten();
    let commits = commits.filter_map(Value::as_str);
    commits
        .filter(|commit| is_commit(commit))
        .take(FRAME_ANCESTORS_LIMIT)
        .map(str::to_string)
        .collect()
}

/// When the commit was made, in seconds since 1970.
pub fn commit_time_of(head: &Value) -> Option<i64> {
    head["commit_time"].as_i64().filter(|seconds| *seconds >= 0)
}

/// The seconds for which a busy host asks to be left alone.
pub fn retry_after_of(head: &Value) -> Option<u64> {
    head["retry_after"].as_u64()
}
