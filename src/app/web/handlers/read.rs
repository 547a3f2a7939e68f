//! Answers to calls that read.

use crate::app::domain::ids::CheckId;
use crate::app::render::{json, matrix};
use crate::app::state::State;
use crate::app::store::{builds, checks, packages};
use crate::app::web::answer::Error;
use crate::app::web::handlers::queue;
use crate::app::web::handlers::rows::{build_json, build_row, package_json, packages_json};
use crate::app::web::routes::read::ReadCall;
use crate::interface::message::{Head, Response};

pub fn read(state: &mut State, head: &Head, call: ReadCall) -> Result<Response, Error> {
    let store = &state.services.store;
    let value = match call {
        ReadCall::Packages { filter, sort, page } => {
            let (rows, total) = packages::page(store, &filter, sort, page)?;
            let rows = packages_json(state, &rows)?;
            json::list("packages", rows, total, page.page, page.limit)
        }
        ReadCall::Package { name } => {
            let row = packages::find(store, &name)?;
            let row = row.ok_or_else(|| Error::not_found("package"))?;
            let value = package_json(state, &row)?;
            state.views.count(row.id, head);
            value
        }
        ReadCall::Check { id, plain } => return check(state, id, plain),
        ReadCall::Builds { filter, sort, page } => {
            let (rows, total) = builds::page(store, &filter, sort, page)?;
            let rows = rows.iter().map(|row| build_json(state, row)).collect();
            json::list("builds", rows, total, page.page, page.limit)
        }
        ReadCall::Build { id } => build_json(state, &build_row(state, id)?),
        ReadCall::Queue { page } => queue::queue_json(state, page)?,
    };
    Ok(Response::json(200, &value))
}

fn check(state: &State, id: CheckId, plain: bool) -> Result<Response, Error> {
    let store = &state.services.store;
    let check = checks::by_id(store, id)?;
    let check = check.ok_or_else(|| Error::not_found("check"))?;
    let builds = builds::of_check(store, id)?;
    let response = match plain {
        true => {
            let text = matrix::matrix(&check, &builds);
            Response::new(200, "text/plain; charset=utf-8", text)
        }
        false => {
            let builds = builds.iter().map(|row| build_json(state, row)).collect();
            Response::json(200, &json::check(&check, builds))
        }
    };
    Ok(response.with("Vary", "Accept"))
}
