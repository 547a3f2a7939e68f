//! Answers about issues that were opened at forges.

use serde_json::json;

use crate::app::render::json;
use crate::app::state::State;
use crate::app::store::issues::{self, IssueRow};
use crate::app::store::packages;
use crate::app::web::answer::Error;
use crate::app::web::routes::issues::{IssueCall, IssueState};
use crate::interface::message::Response;

pub fn answer(state: &mut State, call: IssueCall) -> Result<Response, Error> {
    match call {
        IssueCall::List { package } => list(state, package.as_deref()),
        IssueCall::Put(issue) => put(state, issue),
    }
}

fn list(state: &State, package: Option<&str>) -> Result<Response, Error> {
    let store = &state.services.store;
    let rows = match package {
        None => issues::open(store)?,
        Some(name) => {
            let row = packages::by_name(store, name)?;
            let row = row.ok_or_else(|| Error::not_found("package"))?;
            issues::of_package(store, row.id)?
        }
    };
    let rows: Vec<_> = rows.iter().map(json::issue).collect();
    Ok(Response::json(200, &json!({ "issues": rows })))
}

/// Enters what was opened or closed; the answer has the issues of the package.
fn put(state: &mut State, issue: IssueState) -> Result<Response, Error> {
    let row = packages::by_name(&state.services.store, &issue.package)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    let at = state.now().unix_ms;
    let status = match issue.is_open {
        true => "open",
        false => "closed",
    };
    let new = IssueRow {
        package: row.id,
        zig_version: issue.zig_version,
        url: Some(issue.url),
        status: Some(status.to_string()),
        auto_created: true,
        resolved_at: (!issue.is_open).then_some(at),
        created_at: at,
    };
    issues::put(&mut state.services.store, &new).map_err(Error::HalfWritten)?;
    list(state, Some(&issue.package)).map_err(Error::half_written)
}
