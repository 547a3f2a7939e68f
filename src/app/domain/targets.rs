//! How what a package exports compiles for other targets.

use serde_json::{Value, json};

use crate::app::domain::limits::{TARGET_LIMIT_BYTES, TARGETS_LIMIT};
use crate::app::domain::verdict::{detail_of, str_enum};

str_enum! {
    /// Whether everything that compiles natively compiles for a target.
    TargetStatus {
        Success = "success",
        Failed = "failed",
    }
}

/// The result for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetResult {
    pub target: String,
    pub status: TargetStatus,
    /// The first error, if it failed.
    pub first_error: Option<String>,
}

/// Reads the list of a runner; none if it is not such a list.
pub fn read(value: &Value) -> Option<Vec<TargetResult>> {
    let all = value.as_array().filter(|all| all.len() <= TARGETS_LIMIT)?;
    all.iter().map(read_result).collect()
}

fn read_result(value: &Value) -> Option<TargetResult> {
    let target = value["target"].as_str().filter(|name| is_target(name))?;
    let status = TargetStatus::parse(value["status"].as_str()?)?;
    let first_error = match status {
        TargetStatus::Success => None,
        TargetStatus::Failed => Some(detail_of(value["first_error"].as_str()?)),
    };
    Some(TargetResult {
        target: target.to_string(),
        status,
        first_error,
    })
}

/// True for a name like `x86_64-windows`.
fn is_target(name: &str) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (1..=TARGET_LIMIT_BYTES).contains(&name.len()) && name.bytes().all(is_plain)
}

/// The results as a row has them; empty if there are none.
pub fn to_text(results: &[TargetResult]) -> String {
    if results.is_empty() {
        return String::new();
    }
    let result = |result: &TargetResult| {
        json!({
            "target": result.target,
            "status": result.status.as_str(),
            "first_error": result.first_error,
        })
    };
    let all: Vec<Value> = results.iter().map(result).collect();
    json!(all).to_string()
}

/// The results that a row has; none while they are not known.
pub fn from_text(text: &str) -> Option<Vec<TargetResult>> {
    read(&serde_json::from_str(text).ok()?)
}
