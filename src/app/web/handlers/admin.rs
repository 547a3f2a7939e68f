//! Admin calls as answers. Who may make them was decided before.

use serde_json::{Value, json};

use crate::app::dispatch::App;
use crate::app::domain::task::Priority;
use crate::app::store;
use crate::app::web::handlers::{build, check_again, database};
use crate::app::web::routes::{Call, PackageRef};
use crate::interface::event::Now;
use crate::interface::message::Response;

/// Answers a call of an admin that needs nothing of the engine.
pub fn answer(app: &mut App, call: &Call, now: Now) -> Response {
    let response = match call {
        Call::CancelBuild { id } => cancel(app, *id, now),
        Call::CheckBuilds => check_builds(app, now),
        Call::AdminStatus => match status(app, now) {
            Ok(value) => Response::json(200, &value),
            Err(error) => database(error),
        },
        call => unreachable!("{call:?} is not an admin's alone"),
    };
    response.with("Cache-Control", "no-store")
}

/// Adds a check of a known package, before those that the server makes itself.
pub fn trigger(app: &mut App, package: &PackageRef, now: Now) -> Response {
    let package = match package {
        PackageRef::Id(id) => app.store.package_of_id(*id),
        PackageRef::Name(name) => app.store.package(name),
    };
    match check_again(app, package, (Priority::Admin, None), now) {
        Err(response) => response,
        Ok((check, builds)) => Response::json(
            202,
            &json!({ "message": "Build triggered", "check": check, "builds": builds }),
        ),
    }
}

/// Has the remotes of all packages looked at now.
fn check_builds(app: &mut App, now: Now) -> Response {
    match app.store.check_all_now(now.unix_ms) {
        Err(error) => database(error),
        Ok(packages) => Response::json(
            202,
            &json!({ "message": "All remotes are looked at", "packages": packages }),
        ),
    }
}

/// Ends a build, and shows it as it is then.
fn cancel(app: &mut App, id: i64, now: Now) -> Response {
    let row = match app.store.build(id) {
        Err(error) => return database(error),
        Ok(None) => return Response::error(404, "there is no such build"),
        Ok(Some(row)) => row,
    };
    if row.state.is_final() {
        let words = format!("the build is {} already", row.state.as_str());
        return Response::error(409, &words);
    }
    let (works, mut cx) = app.context(now);
    if let Err(error) = works.cancel(&row, &mut cx) {
        // Half of it may be written: nothing of this turn may be kept.
        app.break_down(&error);
        return database(error);
    }
    match app.store.build(id) {
        Err(error) => database(error),
        Ok(row) => Response::json(200, &build(app, &row.expect("it was just cancelled"))),
    }
}

/// How the server is, as it knows without asking anybody: an engine that hangs must not keep this
/// answer back.
fn status(app: &App, now: Now) -> store::Result<Value> {
    let overview = app.store.overview()?;
    let tallies = app.store.totals()?;
    let engine = app.engine.latest();
    let missing: Vec<&String> = app.engine.missing(&app.settings.zig_versions).collect();
    let mut value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": (now.unix_ms - app.started_unix_ms).max(0) / 1000,
        "draining": app.is_draining(),
        "slots": app.scheduler.slots(),
        "running": app.running(),
        "waiting": app.scheduler.waiting_builds(),
        "engine": match (engine, app.engine.is_asking()) {
            (Ok(()), _) => "ok",
            (Err(_), true) => "asked",
            (Err(_), false) => "unavailable",
        },
        "fetch_network": app.fetch_network(),
        "toolchains": app.settings.zig_versions,
        "packages": overview.last_package,
        "builds": overview.last_build,
        "builds_kept": tallies.builds,
        "database_bytes": overview.database_bytes,
        "logs_bytes": tallies.log_bytes,
        "sources_bytes": tallies.source_bytes,
        "dependencies_bytes": tallies.dependency_bytes,
        "disk": if app.space.is_low() { "low" } else { "ok" },
        "disk_free_bytes": app.space.usage().map(|room| room.free_bytes),
        "disk_floor_bytes": app.space.floor_bytes(),
    });
    match engine {
        Err(why) => value["error"] = json!(why),
        Ok(()) if !missing.is_empty() => value["missing_toolchains"] = json!(missing),
        Ok(()) => {}
    }
    Ok(value)
}
