//! Answers to admin calls; the token was checked with the route.

use serde_json::{Value, json};

use crate::app::builds::commit_searches::Searches;
use crate::app::builds::rechecks::Retry;
use crate::app::domain::ids::BuildId;
use crate::app::render::json::time;
use crate::app::state::State;
use crate::app::store::catalogue_checks::{self, CatalogueCheckRow};
use crate::app::store::packages::{by_name as find_by_name, last_id};
use crate::app::store::store::{self, Store};
use crate::app::store::{audit, builds, refused_hosts, totals};
use crate::app::web::answer::{Answer, Error};
use crate::app::web::handlers::rows::{build_json, build_row, compat_json};
use crate::app::web::handlers::submit::check_accepting;
use crate::app::web::handlers::{hosts, issues, packages, quotas, tokens};
use crate::app::web::routes::admin::AdminCall;
use crate::interface::message::{Head, Response};

pub fn answer(state: &mut State, call: AdminCall) -> Result<Response, Error> {
    let response = match call {
        AdminCall::CancelBuild { id } => cancel_build(state, id)?,
        AdminCall::CancelSearches { name } => cancel_searches(state, &name)?,
        AdminCall::DeletePackage { name } => packages::delete(state, &name)?,
        AdminCall::ChangePackage { name, change } => packages::change(state, &name, change)?,
        AdminCall::CheckBuilds => {
            let rechecks = &mut state.scheduler.rechecks;
            let packages = rechecks.request_all(&mut state.services);
            let packages = packages.map_err(Error::HalfWritten)?;
            let message = "All remotes are asked for their commit";
            Response::json(202, &json!({ "message": message, "packages": packages }))
        }
        AdminCall::CheckAll { zig_version } => check_all(state, &zig_version)?,
        AdminCall::RetryErrors => retry_errors(state)?,
        AdminCall::Drain => drain(state, true)?,
        AdminCall::Undrain => drain(state, false)?,
        AdminCall::Status => Response::json(200, &status(state)?),
        AdminCall::Audit { before, limit } => audit_of(state, before, limit)?,
        AdminCall::Token(call) => tokens::answer(state, call)?,
        AdminCall::Quota(call) => quotas::answer(state, call)?,
        AdminCall::Host(call) => hosts::answer(state, call)?,
        AdminCall::Issue(call) => issues::answer(state, call)?,
        AdminCall::Node(_) => {
            unreachable!("the dispatcher answers these: they wait for the cluster")
        }
    };
    Ok(response.with("Cache-Control", "no-store"))
}

/// Cancels a build; the answer shows it as it is then.
fn cancel_build(state: &mut State, id: BuildId) -> Result<Response, Error> {
    let row = build_row(state, id)?;
    if row.state.is_final() {
        let sentence = format!("the build is {} already", row.state.as_str());
        return Err(Response::error(409, &sentence).into());
    }
    let cancelled = state.scheduler.cancel(&row, &mut state.services);
    cancelled.map_err(Error::HalfWritten)?;
    let row = builds::by_id(&state.services.store, id).map_err(Error::HalfWritten)?;
    let row = row.expect("it was just cancelled");
    Ok(Response::json(200, &build_json(state, &row)))
}

/// Ends the searches of a package that are under way; the answer shows what is known.
fn cancel_searches(state: &mut State, name: &str) -> Result<Response, Error> {
    let row = find_by_name(&state.services.store, name)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    let mut cancel = || {
        let mut searches = Searches {
            scheduler: &mut state.scheduler,
            services: &mut state.services,
        };
        searches.cancel(row.id)?;
        compat_json(state, &row)
    };
    let value = cancel().map_err(Error::HalfWritten)?;
    Ok(Response::json(200, &value))
}

/// Begins the check of all packages under a toolchain, or says how far it is.
fn check_all(state: &mut State, zig_version: &str) -> Result<Response, Error> {
    check_accepting(state, &[zig_version.to_string()])?;
    let mut begin = || {
        let rechecks = &mut state.scheduler.rechecks;
        let begins = rechecks.check_all(zig_version, &mut state.services)?;
        let store = &state.services.store;
        let row = catalogue_checks::by_version(store, zig_version)?;
        let value = progress(&row.expect("it was just written"), store)?;
        Ok((begins, value))
    };
    let (begins, mut value) = begin().map_err(Error::HalfWritten)?;
    let (status, message) = match begins {
        true => (202, "All packages are checked under this Zig version"),
        false => (200, "All packages are being checked under this Zig version"),
    };
    value["message"] = json!(message);
    Ok(Response::json(status, &value))
}

/// Begins the retry of all packages with errors, or says how far it is.
fn retry_errors(state: &mut State) -> Result<Response, Error> {
    let packages = totals::packages(&state.services.store)?;
    let at = state.now().unix_ms;
    let (status, message) = match state.scheduler.rechecks.retry_errors(at) {
        true => (202, "All packages with errors are checked again"),
        false => (200, "All packages with errors are being checked again"),
    };
    let retry = state.scheduler.rechecks.retry;
    let mut value = retry.map_or(Value::Null, |retry| retry_json(&retry));
    value["message"] = json!(message);
    value["packages"] = json!(packages);
    Ok(Response::json(status, &value))
}

fn retry_json(retry: &Retry) -> Value {
    json!({
        "requested_at": time(retry.requested_at),
        "running": retry.is_running(),
        "examined": retry.examined,
        "found": retry.found,
    })
}

/// What admins have changed. `next` is the `before` of the rows behind these; null at the end.
fn audit_of(state: &State, before: i64, limit: u64) -> store::Result<Response> {
    let rows = audit::before(&state.services.store, before, limit)?;
    let next = rows.last().map(|row| row.id);
    let next = next.filter(|_| rows.len() as u64 == limit);
    let rows = rows.iter().map(|row| {
        json!({
            "id": row.id,
            "at": time(row.at),
            "who": row.who,
            "call": row.call,
            "body": serde_json::from_str(&row.body).unwrap_or(Value::Null),
        })
    });
    let value = json!({ "audit": rows.collect::<Vec<Value>>(), "next": next });
    Ok(Response::json(200, &value))
}

/// True of the answer to a change that is being made. A refusal changes nothing; what is answered later is asked of the
/// cluster now.
pub fn has_changed(answer: &Answer) -> bool {
    match answer {
        Answer::Response(response) => response.status < 300,
        Answer::Later => true,
        Answer::Stream(..) | Answer::Upgrade => false,
    }
}

/// Notes a change that is being made, in its transaction.
pub fn note(state: &mut State, who: &str, head: &Head, body: &[u8]) -> store::Result<()> {
    let call = format!("{} {}", head.method, head.path);
    let body = String::from_utf8_lossy(body);
    let at = state.now().unix_ms;
    audit::insert(&mut state.services.store, at, who, &call, &body)
}

/// Drains the server, or takes that back.
fn drain(state: &mut State, drains: bool) -> Result<Response, Error> {
    if state.is_stopping() {
        return Err(Response::error(409, "the server is stopping").into());
    }
    match drains {
        true => state.drain(),
        false => state.undrain(),
    }
    let value = json!({
        "draining": state.is_draining(),
        "running": state.scheduler.queue.running(),
        "waiting": state.scheduler.waiting_builds(),
    });
    Ok(Response::json(200, &value))
}

/// How far the check of all packages under a toolchain is.
fn progress(row: &CatalogueCheckRow, store: &Store) -> store::Result<Value> {
    Ok(json!({
        "zig_version": row.zig_version,
        "packages": row.packages(store)?,
        "checked": row.checked,
        "running": row.is_running(),
        "requested_at": time(row.requested_at),
    }))
}

/// The state of the server as of the engine's last answer: an engine that hangs does not delay this.
fn status(state: &State) -> store::Result<Value> {
    let (engine, store) = (&state.services.engine, &state.services.store);
    let totals = totals::read(store)?;
    let latest = engine.latest();
    let refused = refused_hosts::all(store)?;
    let refused = refused.iter().map(hosts::refused_json);
    let versions = &state.settings.zig_versions;
    let checks = catalogue_checks::all(store)?.into_iter();
    let checks = checks.filter(|row| versions.contains(&row.zig_version));
    let checks: store::Result<Vec<Value>> = checks.map(|row| progress(&row, store)).collect();
    let missing: Vec<&String> = engine.missing(versions).collect();
    let mut value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": state.uptime_seconds(),
        "draining": state.is_draining(),
        "slots": state.scheduler.queue.slots(),
        "running": state.scheduler.queue.running(),
        "waiting": state.scheduler.waiting_builds(),
        "engine": match (latest, engine.is_asking()) {
            (Ok(()), _) => "ok",
            (Err(_), true) => "asked",
            (Err(_), false) => "unavailable",
        },
        "fetch_network": state.fetch_network(),
        "hosts_refused": refused.collect::<Vec<Value>>(),
        "toolchains": versions,
        "check_all": checks?,
        "retry_errors": state.scheduler.rechecks.retry.map(|retry| retry_json(&retry)),
        "packages": last_id(store)?,
        "builds": builds::last_id(store)?,
        "builds_kept": totals.builds,
        "database_bytes": totals::file_bytes(store)?,
        "database_log_bytes": store.log_bytes(),
        "logs_bytes": totals.log_bytes,
        "sources_bytes": totals.source_bytes,
        "dependencies_bytes": totals.dependency_bytes,
        "kept_caches_bytes": totals.kept_bytes,
        "disk": if state.disk.is_low { "low" } else { "ok" },
        "disk_free_bytes": state.disk.usage.map(|usage| usage.free_bytes),
        "disk_floor_bytes": state.disk.floor_bytes(),
    });
    match latest {
        Err(why) => value["error"] = json!(why),
        Ok(()) if !missing.is_empty() => value["missing_images"] = json!(missing),
        Ok(()) => {}
    }
    Ok(value)
}
