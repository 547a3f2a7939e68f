//! Rows, and their JSON with what only the running server knows of them.

use serde_json::{Value, json};

use crate::app::domain::ids::{BuildId, PackageId};
use crate::app::render::{json, view};
use crate::app::state::State;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::compat;
use crate::app::store::issues;
use crate::app::store::packages::PackageRow;
use crate::app::store::results::{self, ResultRow};
use crate::app::store::store;
use crate::app::web::answer::Error;

/// The row of a build; 404 where there is none.
pub fn build_row(state: &State, id: BuildId) -> Result<BuildRow, Error> {
    let row = builds::by_id(&state.services.store, id)?;
    row.ok_or_else(|| Error::not_found("build"))
}

/// A package, with its open issues.
pub fn package_json(state: &State, row: &PackageRow) -> store::Result<Value> {
    let store = &state.services.store;
    let results = results::of_package(store, row.id)?;
    let mut value = json::package(row, &results, &state.settings.zig_versions);
    let issues = issues::open_of(store, row.id)?;
    value["open_issues"] = issues.iter().map(json::issue).collect();
    Ok(value)
}

/// The newest commits of a package that work.
pub fn compat_json(state: &State, row: &PackageRow) -> store::Result<Value> {
    let store = &state.services.store;
    let results = results::of_package(store, row.id)?;
    let rows = compat::of_package(store, row.id, &state.settings.zig_versions, &results)?;
    let rows: Vec<Value> = rows
        .iter()
        .map(|line| view::compat::json(line, &row.url))
        .collect();
    Ok(json!({ "package": row.name, "compat": rows }))
}

pub fn packages_json(state: &State, rows: &[PackageRow]) -> store::Result<Vec<Value>> {
    let ids: Vec<PackageId> = rows.iter().map(|row| row.id).collect();
    let results = results::of_packages(&state.services.store, &ids)?;
    let rows = rows.iter().zip(&results);
    let json = |(row, results): (&PackageRow, &Vec<ResultRow>)| {
        json::package(row, results, &state.settings.zig_versions)
    };
    Ok(rows.map(json).collect())
}

/// A build with its place in the queue.
pub fn build_json(state: &State, row: &BuildRow) -> Value {
    let (store, now) = (&state.services.store, state.now());
    let position = state.scheduler.view(store).position(row, now.unix_ms);
    build_json_at(state, row, position.unwrap_or_default())
}

/// A build at a place that is known. `log_bytes` of a build that runs is what its log has by now.
pub fn build_json_at(state: &State, row: &BuildRow, position: Option<usize>) -> Value {
    let mut value = json::build(row, position);
    let written = state.services.feed.logs.written(row.id);
    if let Some(written) = written.filter(|_| !row.state.is_final()) {
        value["log_bytes"] = json!(written);
    }
    value
}
