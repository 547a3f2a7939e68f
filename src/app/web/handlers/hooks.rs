//! Answers to push hooks: the remote of the package is asked for its commit.

use serde_json::json;

use crate::app::builds::push_hooks;
use crate::app::domain::push::Push;
use crate::app::state::State;
use crate::app::store::packages::{self, PackageRow};
use crate::app::web::answer::Error;
use crate::app::web::handlers::submit::{check_queue, check_runs};
use crate::app::web::routes::hooks::HookCall;
use crate::interface::message::Response;

pub fn answer(state: &mut State, call: &HookCall) -> Result<Response, Error> {
    match call {
        HookCall::NoPush => Ok(said(200, "no push: there is nothing to do", &[])),
        HookCall::Push(push) => on_push(state, push),
    }
}

fn on_push(state: &mut State, push: &Push) -> Result<Response, Error> {
    let known = packages::of_repository(&state.services.store, &push.repository)?;
    if known.is_empty() {
        let sentence = "no package of this repository is known; submit it with POST /api/packages";
        return Err(Response::error(404, sentence).into());
    }
    let changed = |package: &PackageRow| push.changes(package.reference.as_deref());
    let changed = known.into_iter().filter(changed);
    let (paused, changed): (Vec<PackageRow>, Vec<PackageRow>) =
        changed.partition(|package| package.paused_at.is_some());
    if changed.is_empty() {
        if let Some(package) = paused.first() {
            check_runs(package)?;
        }
        return Ok(said(
            200,
            "not this package's ref: there is nothing to do",
            &[],
        ));
    }
    if let Some(response) = state.disk.refusal() {
        return Err(response.into());
    }
    check_queue(state, changed.len())?;
    for package in &changed {
        let asked = push_hooks::ask(&mut state.scheduler, package, &mut state.services);
        asked.map_err(Error::HalfWritten)?;
    }
    Ok(said(202, "The remote is asked for its commit", &changed))
}

fn said(status: u16, message: &str, packages: &[PackageRow]) -> Response {
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    Response::json(status, &json!({ "message": message, "packages": names }))
}
