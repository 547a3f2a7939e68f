//! How a package compiles for other targets, in the words of pages and texts.

use crate::app::domain::targets::{TargetResult, TargetStatus, from_text};
use crate::app::render::limits::SHOWN_ERROR_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;

/// One target, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: Clean,
    /// The first error; none if it compiles.
    pub first_error: Option<Clean>,
}

/// The targets that a row knows of; none while they are not known.
pub fn targets(stored: &str) -> Vec<Target> {
    let all = from_text(stored).unwrap_or_default();
    all.iter().map(target).collect()
}

fn target(result: &TargetResult) -> Target {
    let error = result.first_error.as_deref().unwrap_or_default();
    let error = Clean::new(error).clipped(SHOWN_ERROR_LIMIT_CHARS);
    Target {
        name: Clean::new(&result.target),
        first_error: (result.status == TargetStatus::Failed).then_some(error),
    }
}

/// A line with all targets, and one with the first error of each that failed. Nothing was run: "works" would be wrong.
pub fn lines(targets: &[Target]) -> Vec<String> {
    let name = |target: &Target| target.name.to_string();
    let (failed, good): (Vec<&Target>, Vec<&Target>) = targets
        .iter()
        .partition(|target| target.first_error.is_some());
    if targets.is_empty() {
        return Vec::new();
    }
    let good: Vec<String> = good.into_iter().map(name).collect();
    let good = match good.is_empty() {
        true => "compiles for no other target".to_string(),
        false => format!("compiles for {}", good.join(", ")),
    };
    let error = |target: &&Target| {
        let error = target.first_error.as_ref();
        error.map(|error| format!("not for {}: {error}", target.name))
    };
    std::iter::once(good)
        .chain(failed.iter().filter_map(error))
        .collect()
}
