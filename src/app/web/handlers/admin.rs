//! Answers to admin calls; the token was checked with the route.

use serde_json::{Value, json};

use crate::app::builds::commit_searches::Searches;
use crate::app::domain::ids::BuildId;
use crate::app::render::json::time;
use crate::app::state::State;
use crate::app::store::packages::{by_name as find_by_name, last_id};
use crate::app::store::{builds, refused_hosts, store, totals};
use crate::app::web::answer::Error;
use crate::app::web::handlers::packages;
use crate::app::web::handlers::rows::{build_json, build_row, compat_json};
use crate::app::web::routes::admin::AdminCall;
use crate::interface::message::Response;

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
        AdminCall::Status => Response::json(200, &status(state)?),
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

/// The state of the server as of the engine's last answer: an engine that hangs does not delay this.
fn status(state: &State) -> store::Result<Value> {
    let (engine, store) = (&state.services.engine, &state.services.store);
    let totals = totals::read(store)?;
    let latest = engine.latest();
    let hosts = refused_hosts::all(store)?;
    let hosts = hosts
        .iter()
        .map(|row| json!({"host": row.host, "count": row.count, "last_at": time(row.last_at)}));
    let missing: Vec<&String> = engine.missing(&state.settings.zig_versions).collect();
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
        "hosts_refused": hosts.collect::<Vec<Value>>(),
        "toolchains": state.settings.zig_versions,
        "packages": last_id(store)?,
        "builds": builds::last_id(store)?,
        "builds_kept": totals.builds,
        "database_bytes": totals::file_bytes(store)?,
        "database_log_bytes": store.log_bytes(),
        "logs_bytes": totals.log_bytes,
        "sources_bytes": totals.source_bytes,
        "dependencies_bytes": totals.dependency_bytes,
        "disk": if state.disk.is_low { "low" } else { "ok" },
        "disk_free_bytes": state.disk.usage.map(|usage| usage.free_bytes),
        "disk_floor_bytes": state.disk.floor_bytes(),
    });
    match latest {
        Err(why) => value["error"] = json!(why),
        Ok(()) if !missing.is_empty() => value["missing_toolchains"] = json!(missing),
        Ok(()) => {}
    }
    Ok(value)
}
