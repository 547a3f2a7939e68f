//! Admin calls as answers. Who may make them was decided before.

use serde_json::{Value, json};

use crate::app::domain::task::Priority;
use crate::app::state::State;
use crate::app::store::store;
use crate::app::web::handlers::{build, check_again, database};
use crate::app::web::routes::{Call, PackageRef};
use crate::interface::message::Response;

/// Answers a call of an admin that needs nothing of the engine.
pub fn answer(state: &mut State, call: &Call) -> Response {
    let response = match call {
        Call::CancelBuild { id } => cancel(state, *id),
        Call::CheckBuilds => check_builds(state),
        Call::AdminStatus => match status(state) {
            Ok(value) => Response::json(200, &value),
            Err(error) => database(error),
        },
        call => unreachable!("{call:?} is not an admin's alone"),
    };
    response.with("Cache-Control", "no-store")
}

/// Adds a check of a known package, before those that the server makes itself.
pub fn trigger(state: &mut State, package: &PackageRef) -> Response {
    let package = match package {
        PackageRef::Id(id) => state.services.store.package_of_id(*id),
        PackageRef::Name(name) => state.services.store.package(name),
    };
    match check_again(state, package, (Priority::Admin, None)) {
        Err(response) => response,
        Ok((check, builds)) => Response::json(
            202,
            &json!({ "message": "Build triggered", "check": check, "builds": builds }),
        ),
    }
}

/// Has the remotes of all packages looked at now.
fn check_builds(state: &mut State) -> Response {
    match state.services.store.check_all_now(state.now().unix_ms) {
        Err(error) => database(error),
        Ok(packages) => Response::json(
            202,
            &json!({ "message": "All remotes are looked at", "packages": packages }),
        ),
    }
}

/// Ends a build, and shows it as it is then.
fn cancel(state: &mut State, id: i64) -> Response {
    let row = match state.services.store.build(id) {
        Err(error) => return database(error),
        Ok(None) => return Response::error(404, "there is no such build"),
        Ok(Some(row)) => row,
    };
    if row.state.is_final() {
        let words = format!("the build is {} already", row.state.as_str());
        return Response::error(409, &words);
    }
    if let Err(error) = state.scheduler.cancel(&row, &mut state.services) {
        // Half of it may be written: nothing of this turn may be kept.
        state.break_down(&error);
        return database(error);
    }
    match state.services.store.build(id) {
        Err(error) => database(error),
        Ok(row) => Response::json(200, &build(state, &row.expect("it was just cancelled"))),
    }
}

/// How the server is, as it knows without asking anybody: an engine that hangs must not keep this
/// answer back.
fn status(state: &State) -> store::Result<Value> {
    let store = &state.services.store;
    let totals = store.totals()?;
    let engine = state.services.engine.latest();
    let missing: Vec<&String> = state
        .services
        .engine
        .missing(&state.settings.zig_versions)
        .collect();
    let mut value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": (state.now().unix_ms - state.started_unix_ms).max(0) / 1000,
        "draining": state.is_draining(),
        "slots": state.scheduler.slots(),
        "running": state.scheduler.running(),
        "waiting": state.scheduler.waiting_builds(),
        "engine": match (engine, state.services.engine.is_asking()) {
            (Ok(()), _) => "ok",
            (Err(_), true) => "asked",
            (Err(_), false) => "unavailable",
        },
        "fetch_network": state.fetch_network(),
        "toolchains": state.settings.zig_versions,
        "packages": store.last_package()?,
        "builds": store.last_build()?,
        "builds_kept": totals.builds,
        "database_bytes": store.file_bytes()?,
        "logs_bytes": totals.log_bytes,
        "sources_bytes": totals.source_bytes,
        "dependencies_bytes": totals.dependency_bytes,
        "disk": if state.disk.is_low() { "low" } else { "ok" },
        "disk_free_bytes": state.disk.usage().map(|room| room.free_bytes),
        "disk_floor_bytes": state.disk.floor_bytes(),
    });
    match engine {
        Err(why) => value["error"] = json!(why),
        Ok(()) if !missing.is_empty() => value["missing_toolchains"] = json!(missing),
        Ok(()) => {}
    }
    Ok(value)
}
