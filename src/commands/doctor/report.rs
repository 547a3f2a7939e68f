//! Findings as text and as JSON.

use serde_json::{Value, json};

use crate::app::render::sanitize::sanitize;
use crate::commands::doctor::findings::{Finding, Level};

/// The worst level; of nothing: ok.
pub fn worst(found: &[Finding]) -> Level {
    let levels = found.iter().map(|finding| finding.level);
    levels.max().unwrap_or(Level::Ok)
}

/// A line for each finding, and one below it that says what to do.
pub fn text(found: &[Finding]) -> String {
    let mut text = String::new();
    for finding in found {
        let (level, check) = (finding.level.as_str(), &finding.check);
        text += &format!("{level:<8} {check:<14} {}\n", sanitize(&finding.text));
        if !finding.advice.is_empty() {
            text += &format!("{:<24}{}\n", "", finding.advice);
        }
    }
    text
}

pub fn json(found: &[Finding]) -> String {
    let findings = found.iter().map(|finding| {
        json!({
            "check": finding.check,
            "status": finding.level.as_str(),
            "text": finding.text,
            "advice": finding.advice,
        })
    });
    let value = json!({
        "status": worst(found).as_str(),
        "findings": findings.collect::<Vec<Value>>(),
    });
    format!("{value}\n")
}
