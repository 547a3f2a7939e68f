//! Calls become answers: what is read from the database, what is written to it.

pub mod watch;

pub mod admin;
mod pages;
mod queue;

use serde_json::{Value, json};

use crate::app::domain::disk_space;
use crate::app::domain::repository::owner;
use crate::app::domain::task::Priority;
use crate::app::render::{json, matrix};
use crate::app::state::State;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::NewCheck;
use crate::app::store::packages::NewPackage;
use crate::app::store::packages::PackageRow;
use crate::app::store::sources::SourceRow;
use crate::app::store::store::{self, Store};
use crate::app::web::client_id;
use crate::app::web::limits::{QUEUE_LIMIT, QUEUE_PAUSE_MS};
pub use crate::app::web::request::open_to_all;
use crate::app::web::routes::Call;
use crate::app::web::upload::Tree;
use crate::base::slab::Key;
use crate::interface::message::Response;

/// The database did not do what it was asked: the client may try again, nothing was kept.
pub fn database(error: rusqlite::Error) -> Response {
    log::error!("the database: {error}");
    Response::error(503, &format!("the database does not answer: {error}"))
}

/// Answers a call that only reads.
pub fn read(state: &State, call: &Call) -> Response {
    let found = match call {
        Call::ListPackages { filter, sort, page } => state
            .services
            .store
            .packages(filter, *sort, *page)
            .and_then(|(rows, total)| {
                let rows: store::Result<Vec<Value>> =
                    rows.iter().map(|row| package(state, row)).collect();
                let (at, limit) = (page.page, page.limit);
                Ok(Some(json::list("packages", rows?, total, at, limit)))
            }),
        Call::ShowPackage { name } => state
            .services
            .store
            .package(name)
            .and_then(|row| row.map(|row| package(state, &row)).transpose()),
        Call::ShowCheck { id, plain } => return show_check(state, *id, *plain),
        Call::ShowQueue { page } => queue::show(state, *page).map(Some),
        Call::ShowFront {
            search,
            page,
            options,
        } => {
            return pages::front(state, search.as_deref(), *page, options);
        }
        Call::ShowPackagePage { name, options } => return pages::package(state, name, options),
        Call::ListBuilds { filter, sort, page } => state
            .services
            .store
            .builds(filter, *sort, *page)
            .map(|(rows, total)| {
                let rows = rows.iter().map(|row| build(state, row)).collect();
                Some(json::list("builds", rows, total, page.page, page.limit))
            }),
        Call::ShowBuild { id } => {
            let row = state.services.store.build(*id);
            row.map(|row| row.map(|row| build(state, &row)))
        }
        Call::Health
        | Call::SubmitPackage { .. }
        | Call::Rebuild { .. }
        | Call::SubmitTree { .. }
        | Call::FollowCheck { .. }
        | Call::WatchEvents { .. }
        | Call::WatchLog { .. }
        | Call::ShowLog { .. }
        | Call::CancelBuild { .. }
        | Call::TriggerBuild { .. }
        | Call::CheckBuilds
        | Call::AdminStatus => unreachable!("not a call that only reads"),
    };
    open_to_all(match found {
        Ok(Some(value)) => Response::json(200, &value),
        Ok(None) => Response::error(404, &format!("there is no such {}", noun(call))),
        Err(error) => database(error),
    })
}

/// Somebody has seen what that call shows: a look at a package counts for it.
pub fn count_view(state: &mut State, call: &Call) {
    let (Call::ShowPackage { name } | Call::ShowPackagePage { name, .. }) = call else {
        return;
    };
    // The page was read a moment ago; a count is not worth an answer.
    if let Ok(Some(package)) = state.services.store.package_id(name) {
        state.views.count(package);
    }
}

fn noun(call: &Call) -> &'static str {
    match call {
        Call::ShowPackage { .. } => "package",
        _ => "build",
    }
}

fn package(state: &State, row: &PackageRow) -> store::Result<Value> {
    let results = state.services.store.results(row.id)?;
    Ok(json::package(row, &results, &state.settings.zig_versions))
}

fn build(state: &State, row: &BuildRow) -> Value {
    let position = state
        .scheduler
        .position(&state.services.store, row, state.now().unix_ms);
    build_json(state, row, position.unwrap_or_default())
}

/// As its row says, but for the log of a build that still writes it.
fn build_json(state: &State, row: &BuildRow, position: Option<usize>) -> Value {
    let mut value = json::build(row, position);
    if let Some(written) = state
        .services
        .feed
        .logs
        .written(row.id)
        .filter(|_| !row.state.is_final())
    {
        value["log_bytes"] = json!(written);
    }
    value
}

fn show_check(state: &State, id: i64, plain: bool) -> Response {
    let found = state.services.store.check(id).and_then(|row| match row {
        None => Ok(None),
        Some(row) => Ok(Some((row, state.services.store.builds_of(id)?))),
    });
    let response = match found {
        Ok(Some((check, builds))) if plain => {
            let text = matrix::matrix(&check, &builds);
            Response::new(200, "text/plain; charset=utf-8", text)
        }
        Ok(Some((check, builds))) => {
            let builds = builds.iter().map(|row| build(state, row)).collect();
            Response::json(200, &json::check(&check, builds))
        }
        Ok(None) => Response::error(404, "there is no such check"),
        Err(error) => database(error),
    };
    open_to_all(response.with("Vary", "Accept"))
}

/// Whether the server can do its work, and why not.
pub fn health(state: &State) -> Response {
    let database = state.services.store.is_connected();
    let engine = state.services.engine.latest();
    let healthy = database && engine.is_ok();
    let missing: Vec<String> = state
        .services
        .engine
        .missing(&state.settings.zig_versions)
        .map(|version| format!("zigcheck:{version}"))
        .collect();
    let mut value = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "timestamp": json::time(state.now().unix_ms),
        "database": if database { "connected" } else { "unavailable" },
        "docker": if engine.is_ok() { "ok" } else { "unavailable" },
        "disk": if state.disk.is_low() { "low" } else { "ok" },
        "fetch_network": state.fetch_network(),
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": (state.now().unix_ms - state.started_unix_ms).max(0) / 1000,
    });
    if let Err(why) = engine {
        value["error"] = json!(why);
    } else if !missing.is_empty() {
        value["missing_images"] = json!(missing);
    }
    open_to_all(Response::json(if healthy { 200 } else { 503 }, &value))
}

/// Why nothing can be taken in right now, if so.
fn check_accepting(state: &State, zig_versions: &[String]) -> Option<Response> {
    if let Some(response) = state.disk.refusal() {
        return Some(response);
    }
    let unavailable = |sentence: &str| Some(Response::later(503, sentence, QUEUE_PAUSE_MS));
    if !state.services.store.is_connected() {
        return unavailable("the database is unavailable: nothing was kept, try again later");
    }
    match state.services.store.used_bytes() {
        Err(error) => return Some(database(error)),
        Ok(used) if used >= state.settings.database_limit_bytes => {
            let sentence = "the database has grown to its limit: nothing was kept";
            return Some(disk_space::insufficient(sentence));
        }
        Ok(_) => {}
    }
    if let Err(why) = state.services.engine.latest() {
        return unavailable(&format!("the container engine is unavailable: {why}"));
    }
    if let Some(version) = state.services.engine.missing(zig_versions).next() {
        return unavailable(&format!(
            "image zigcheck:{version} is missing: make docker-build makes it"
        ));
    }
    queue_full(state, zig_versions.len())
}

/// The answer to who asks for so many builds, where there is no room for them.
pub fn queue_full(state: &State, builds: usize) -> Option<Response> {
    let full = state.scheduler.waiting() + builds as u64 > QUEUE_LIMIT;
    full.then(|| Response::later(503, "the queue is full: try again later", QUEUE_PAUSE_MS))
}

/// Adds a package and its first check.
pub fn submit_package(
    state: &mut State,
    package: NewPackage,
    zig_versions: Vec<String>,
    tenant: &str,
) -> Response {
    if let Some(response) = check_accepting(state, &zig_versions) {
        return response;
    }
    match state
        .services
        .store
        .known_package(&package.name, &package.url)
    {
        Err(error) => return database(error),
        Ok(Some((id, field))) => {
            let sentence = format!("{field}: this package is known already");
            return Response::json(409, &json!({ "error": sentence, "id": id }));
        }
        Ok(None) => {}
    }
    let at = state.now().unix_ms;
    let written = write(state, |store| {
        let id = store.insert_package(&package, at)?;
        let new = NewCheck {
            package_id: Some(id),
            package: &package.name,
            git: Some((&package.url, package.reference.as_deref())),
            priority: Priority::Interactive,
            tenant,
        };
        Ok((id, store.begin_check(&new, &zig_versions, at)?))
    });
    match written.and_then(|(id, check)| Ok((id, check, enqueue_check(state, check)?))) {
        Err(error) => database(error),
        Ok((id, check, builds)) => Response::json(
            201,
            &json!({
                "message": "Package submitted successfully",
                "id": id,
                "name": package.name,
                "author": package.author,
                "status": "Build started for all Zig versions",
                "check": check,
                "builds": builds,
            }),
        ),
    }
}

/// Adds a check of a package that is known, under all toolchains, of its source as it is now.
pub fn rebuild(state: &mut State, name: &str, tenant: &str) -> Response {
    let package = state.services.store.package(name);
    match check_again(state, package, (Priority::Interactive, Some(tenant))) {
        Ok((check, builds)) => accepted(check, builds),
        Err(response) => response,
    }
}

/// Adds a check of that package, if there is one, for whom it is asked, or else for its owner; gives
/// its builds as they are shown.
fn check_again(
    state: &mut State,
    package: store::Result<Option<PackageRow>>,
    (priority, tenant): (Priority, Option<&str>),
) -> Result<(i64, Vec<Value>), Response> {
    let package = package.map_err(database)?;
    let package = package.ok_or_else(|| Response::error(404, "there is no such package"))?;
    let zig_versions = state.settings.zig_versions.clone();
    if let Some(response) = check_accepting(state, &zig_versions) {
        return Err(response);
    }
    let at = state.now().unix_ms;
    let owner = owner(&package.url);
    let new = NewCheck {
        package_id: Some(package.id),
        package: &package.name,
        git: Some((&package.url, package.reference.as_deref())),
        priority,
        tenant: tenant.unwrap_or(&owner),
    };
    let written = write(state, |store| store.begin_check(&new, &zig_versions, at));
    let check = written.map_err(database)?;
    let builds = enqueue_check(state, check).map_err(database)?;
    Ok((check, builds))
}

fn accepted(check: i64, builds: Vec<Value>) -> Response {
    Response::json(202, &json!({ "check": check, "builds": builds }))
}

/// Adds a check of an uploaded tree, which stands under its hash among the sources from here on.
/// The answer, unless the check is followed: then it is on its way.
pub fn submit_tree(state: &mut State, conn: Key, tree: Tree) -> Option<Response> {
    if let Some(response) = check_accepting(state, &tree.zig_versions) {
        return Some(response);
    }
    let at = state.now().unix_ms;
    let tenant = client_id::tenant(tree.client);
    let format = tree.format;
    let (hash, bytes) = tree.incoming.digest();
    let sources = state.settings.data.join("sources");
    if let Err(error) = tree.incoming.keep(&sources, format) {
        let sentence = format!("the tree cannot be kept: {error}");
        return Some(match disk_space::is_full(&error) {
            true => disk_space::insufficient(&sentence),
            false => Response::error(503, &sentence),
        });
    }
    let source = SourceRow {
        hash,
        format: format.as_str().to_string(),
        bytes,
        dependencies: tree.dependencies,
        manifest: tree.manifest,
    };
    let new = NewCheck {
        package_id: None,
        package: &tree.name,
        git: None,
        priority: Priority::Interactive,
        tenant: &tenant,
    };
    let written = write(state, |store| {
        let check = store.begin_check(&new, &tree.zig_versions, at)?;
        store.set_source(check, &source, None, at)?;
        Ok(check)
    });
    let next = state.services.feed.next_event();
    let taken = written.and_then(|check| Ok((check, enqueue_check(state, check)?)));
    match (taken, tree.follow) {
        (Err(error), _) => Some(database(error)),
        (Ok((check, builds)), None) => Some(accepted(check, builds)),
        (Ok((check, _)), Some(format)) => watch::follow_new(state, conn, check, format, next).err(),
    }
}

/// Writes what belongs together. Where that fails half of it may be there: nothing of this turn may
/// be kept.
fn write<T>(
    state: &mut State,
    writes: impl FnOnce(&mut Store) -> store::Result<T>,
) -> store::Result<T> {
    let done = writes(&mut state.services.store);
    if let Err(error) = &done {
        state.break_down(error);
    }
    done
}

/// Queues the builds of a check that was written; gives them as they are shown. Where that fails
/// the check is half there: nothing of this turn may be kept.
fn enqueue_check(state: &mut State, check: i64) -> store::Result<Vec<Value>> {
    let taken = queue_up(state, check);
    if let Err(error) = &taken {
        state.break_down(error);
    }
    taken
}

fn queue_up(state: &mut State, check: i64) -> store::Result<Vec<Value>> {
    let (row, mut rows) = state.scheduler.add(check, &mut state.services)?;
    log::info!(
        "check {check} of {:?}, of {} builds, for {:?}",
        row.package,
        rows.len(),
        row.tenant
    );
    // Where they stand in a long queue takes a while to tell: at its end, if not before.
    let last = state.scheduler.last_place(row.priority);
    if row.source.is_some() {
        // Verdicts that were known are there at once.
        rows = state.services.store.builds_of(check)?;
    }
    let build_json = |row: &BuildRow| {
        let place = (!row.state.is_final()).then_some(last);
        build_json(state, row, place)
    };
    Ok(rows.iter().map(build_json).collect())
}
