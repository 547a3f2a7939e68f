//! Answers to calls that read.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::app::domain::ids::{CheckId, PackageId};
use crate::app::render::{json, matrix};
use crate::app::state::State;
use crate::app::store::declared::DeclaredRow;
use crate::app::store::list::Paging;
use crate::app::store::{build_list, builds, checks, declared, history, package_list, packages};
use crate::app::web::answer::{Error, Shown};
use crate::app::web::handlers::rows::{
    build_json, build_row, compat_json, package_json, packages_json,
};
use crate::app::web::handlers::{badges, compare, feeds, metrics, queue, stats, upgrade};
use crate::app::web::openapi;
use crate::app::web::query::too_deep;
use crate::app::web::routes::read::ReadCall;
use crate::interface::message::Response;

pub fn read(state: &State, call: ReadCall) -> Result<Shown, Error> {
    let store = &state.services.store;
    let mut viewed = None;
    let value = match call {
        ReadCall::Packages { filter, sort, page } => {
            let found = package_list::page(store, &filter, sort, &page)?;
            let found = found.ok_or_else(too_deep)?;
            let rows = packages_json(state, &found.rows)?;
            json::list("packages", rows, &found, &page)
        }
        ReadCall::Package { name } => {
            let row = packages::find(store, &name)?;
            let row = row.ok_or_else(|| Error::not_found("package"))?;
            viewed = Some(row.id);
            package_json(state, &row)?
        }
        ReadCall::Dependencies { package } => dependencies(state, &package)?,
        ReadCall::Dependents { package, page } => {
            let found = declared::dependents(store, package_id(state, &package)?, &page)?;
            let found = found.ok_or_else(too_deep)?;
            let rows = packages_json(state, &found.rows)?;
            json::list("dependents", rows, &found, &page)
        }
        ReadCall::Compat { package } => compat(state, &package)?,
        ReadCall::History {
            package,
            zig_version,
            page,
        } => history(state, &package, zig_version.as_deref(), &page)?,
        ReadCall::Check { id, plain } => return Ok(check(state, id, plain)?.into()),
        ReadCall::Builds { filter, sort, page } => {
            let found = build_list::page(store, &filter, sort, &page)?;
            let found = found.ok_or_else(too_deep)?;
            let rows = found.rows.iter().map(|row| build_json(state, row));
            json::list("builds", rows.collect(), &found, &page)
        }
        ReadCall::Build { id } => build_json(state, &build_row(state, id)?),
        ReadCall::Compare { asked, form, page } => {
            return Ok(compare::data(state, &asked, form, &page)?.into());
        }
        ReadCall::Upgrade {
            package,
            zig_version,
        } => upgrade::json(state, &package, &zig_version)?,
        ReadCall::Blockers { zig_version, page } => {
            upgrade::blockers_json(state, &zig_version, &page)?
        }
        ReadCall::Badge { name, form } => {
            return Ok(badges::badge(state, name.as_deref(), form)?.into());
        }
        ReadCall::Feed {
            package,
            zig_version,
            only,
            origin,
        } => {
            return Ok(feeds::feed(state, package.as_deref(), (zig_version, only), origin)?.into());
        }
        ReadCall::Stats(query) => return Ok(stats::data(state, query)?.into()),
        ReadCall::OpenApi => openapi::openapi(),
        ReadCall::Metrics => return Ok(metrics::metrics(state)?.into()),
        ReadCall::Queue { page } => queue::queue_json(state, &page)?,
    };
    Ok(Shown {
        response: Response::json(200, &value),
        viewed,
    })
}

fn package_id(state: &State, name: &str) -> Result<PackageId, Error> {
    let row = packages::find(&state.services.store, name)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    Ok(row.id)
}

fn compat(state: &State, package: &str) -> Result<Value, Error> {
    let row = packages::find(&state.services.store, package)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    Ok(compat_json(state, &row)?)
}

/// What the commits of a package came to.
fn history(
    state: &State,
    package: &str,
    zig_version: Option<&str>,
    page: &Paging,
) -> Result<Value, Error> {
    let id = package_id(state, package)?;
    let found = history::page(&state.services.store, id, zig_version, page)?;
    let found = found.ok_or_else(too_deep)?;
    let rows = found.rows.iter().map(json::history).collect();
    Ok(json::list("history", rows, &found, page))
}

/// What a package declares, each with the verdicts of its package where that is known.
fn dependencies(state: &State, package: &str) -> Result<Value, Error> {
    let store = &state.services.store;
    let rows = declared::of_package(store, package_id(state, package)?)?;
    let known: Vec<PackageId> = rows.iter().filter_map(|row| row.package).collect();
    let known = packages::by_ids(store, &known)?;
    let known: HashMap<PackageId, Value> = known
        .iter()
        .map(|row| row.id)
        .zip(packages_json(state, &known)?)
        .collect();
    let json = |row: &DeclaredRow| {
        let package = row.package.and_then(|id| known.get(&id).cloned());
        json::dependency(row, package)
    };
    let rows: Vec<Value> = rows.iter().map(json).collect();
    Ok(json!({ "dependencies": rows }))
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
