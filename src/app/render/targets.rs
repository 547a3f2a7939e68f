//! How a package compiles for other targets, in the words of pages and texts.

use crate::app::domain::ids::BuildId;
use crate::app::domain::targets::{TargetResult, TargetStatus, from_text};
use crate::app::domain::verdict::Grade;
use crate::app::render::limits::SHOWN_ERROR_LIMIT_CHARS;
use crate::app::render::sanitize::Clean;
use crate::app::store::results::ResultRow;

/// One target, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub name: Clean,
    /// The first error; none if it compiles.
    pub first_error: Option<Clean>,
}

impl Target {
    pub fn compiles(&self) -> bool {
        self.first_error.is_none()
    }

    /// The grade of its sign and colour.
    pub fn grade(&self) -> Grade {
        match self.compiles() {
            true => Grade::Green,
            false => Grade::Red,
        }
    }
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

/// The targets of a package at a glance, as a list of packages has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetStrip {
    /// The build that was analysed.
    pub build: BuildId,
    pub targets: Vec<Target>,
}

impl TargetStrip {
    /// The targets that are known under the newest of these toolchains.
    pub fn newest(results: &[ResultRow], toolchains: &[String]) -> Option<TargetStrip> {
        let result = |version: &String| results.iter().find(|row| row.zig_version == *version);
        let strip = |row: &ResultRow| {
            let targets = targets(&row.targets);
            let build = row.build_id.filter(|_| !targets.is_empty())?;
            Some(TargetStrip { build, targets })
        };
        toolchains.iter().filter_map(result).find_map(strip)
    }

    /// How many of them it compiles for.
    pub fn count(&self) -> String {
        let good = self.targets.iter().filter(|target| target.compiles());
        format!("{} of {}", good.count(), self.targets.len())
    }

    /// The same in a sentence, without errors.
    pub fn sentence(&self) -> String {
        let failed = self.targets.iter().filter(|target| !target.compiles());
        let failed: Vec<&str> = failed.map(|target| target.name.as_str()).collect();
        match failed.is_empty() {
            true => compiles_for(&self.targets),
            false => format!(
                "{}; not for {}",
                compiles_for(&self.targets),
                failed.join(", ")
            ),
        }
    }
}

/// A line with all targets, and one with the first error of each that failed. Nothing was run: "works" would be wrong.
pub fn lines(targets: &[Target]) -> Vec<String> {
    if targets.is_empty() {
        return Vec::new();
    }
    let error = |target: &Target| {
        let error = target.first_error.as_ref()?;
        Some(format!("not for {}: {error}", target.name))
    };
    std::iter::once(compiles_for(targets))
        .chain(targets.iter().filter_map(error))
        .collect()
}

fn compiles_for(targets: &[Target]) -> String {
    let good = targets.iter().filter(|target| target.compiles());
    let good: Vec<&str> = good.map(|target| target.name.as_str()).collect();
    match good.is_empty() {
        true => "compiles for no other target".to_string(),
        false => format!("compiles for {}", good.join(", ")),
    }
}
