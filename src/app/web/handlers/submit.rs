//! Submissions: packages, rebuilds and uploaded trees become checks.

use serde_json::{Value, json};

use crate::app::builds::commit_searches::Searches;
use crate::app::domain::disk_space;
use crate::app::domain::ids::CheckId;
use crate::app::domain::repository;
use crate::app::domain::task::Priority;
use crate::app::engine::engine::MAKE_IMAGES;
use crate::app::render::json::time;
use crate::app::render::view::parts::{check_path, package_path};
use crate::app::state::State;
use crate::app::store::builds::{self, BuildRow};
use crate::app::store::checks::{self, NewCheck};
use crate::app::store::packages::{self, NewPackage, PackageRow};
use crate::app::store::sources::SourceRow;
use crate::app::store::totals;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::client_id;
use crate::app::web::handlers::packages::claim;
use crate::app::web::handlers::rows::{build_json_at, compat_json};
use crate::app::web::handlers::watch;
use crate::app::web::limits::{QUEUE_LIMIT, QUEUE_PAUSE_MS};
use crate::app::web::routes::submit::{PackageRef, SubmitCall};
use crate::app::web::upload::Tree;
use crate::base::slab::Key;
use crate::interface::message::Response;

/// The page of what was asked for, and the answer to a program.
pub struct Submitted {
    pub page: String,
    pub response: Response,
}

pub fn submit(state: &mut State, call: SubmitCall, tenant: &str) -> Result<Submitted, Error> {
    match call {
        SubmitCall::Package {
            package,
            names,
            zig_versions,
        } => submit_package(state, package, (&names, &zig_versions), tenant),
        SubmitCall::Rebuild { name, fresh } => {
            let package = packages::by_name(&state.services.store, &name)?;
            let ask = (Priority::Interactive, fresh);
            let new = check_package(state, package, ask, Some(tenant))?;
            Ok(new.accepted())
        }
        SubmitCall::Search { name, zig_versions } => search(state, &name, &zig_versions, tenant),
        SubmitCall::Trigger { package, fresh } => {
            let package = match package {
                PackageRef::Id(id) => packages::by_id(&state.services.store, id)?,
                PackageRef::Name(name) => packages::by_name(&state.services.store, &name)?,
            };
            let new = check_package(state, package, (Priority::Admin, fresh), None)?;
            let (check, message) = (new.id.get(), "Build triggered");
            let value = json!({ "message": message, "check": check, "builds": new.builds });
            Ok(Submitted {
                page: check_path(new.id),
                response: Response::json(202, &value),
            })
        }
    }
}

/// Begins searches for commits of a package that work.
fn search(
    state: &mut State,
    name: &str,
    zig_versions: &[String],
    tenant: &str,
) -> Result<Submitted, Error> {
    let row = packages::find(&state.services.store, name)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    check_runs(&row)?;
    check_accepting(state, zig_versions)?;
    let mut begin = || {
        let mut searches = Searches {
            scheduler: &mut state.scheduler,
            services: &mut state.services,
        };
        for version in zig_versions {
            searches.request(row.id, version, Priority::Interactive, tenant)?;
        }
        searches.start()?;
        compat_json(state, &row)
    };
    let value = begin().map_err(Error::HalfWritten)?;
    Ok(Submitted {
        page: package_path(&row.name),
        response: Response::json(202, &value),
    })
}

/// A check that was just added.
struct AddedCheck {
    id: CheckId,
    /// Its builds as JSON.
    builds: Vec<Value>,
}

impl AddedCheck {
    fn accepted(self) -> Submitted {
        let value = json!({ "check": self.id.get(), "builds": self.builds });
        Submitted {
            page: check_path(self.id),
            response: Response::json(202, &value),
        }
    }
}

/// The error to answer while the server accepts no submission.
pub fn check_accepting(state: &State, zig_versions: &[String]) -> Result<(), Error> {
    if let Some(response) = state.disk.refusal() {
        return Err(response.into());
    }
    let unavailable = |sentence: &str| Err(Response::later(503, sentence, QUEUE_PAUSE_MS).into());
    let (store, engine) = (&state.services.store, &state.services.engine);
    if !store.is_connected() {
        return unavailable("the database is unavailable: nothing was stored, try again later");
    }
    if totals::used_bytes(store)? >= state.settings.database_limit_bytes {
        let sentence = "the database has reached its limit: nothing was stored";
        return Err(disk_space::insufficient(sentence).into());
    }
    if let Some(why) = engine.absence() {
        return unavailable(&format!("the container engine is unavailable: {why}"));
    }
    // Before the engine's first answer no image is known, and the build waits.
    let mut missing = engine.missing(zig_versions);
    if let Some(version) = missing.next().filter(|_| engine.has_answered()) {
        let made = state.images_made().unwrap_or_default();
        return unavailable(&format!(
            "image zigcheck:{version} is missing: {made}; {MAKE_IMAGES}"
        ));
    }
    Ok(check_queue(state, zig_versions.len())?)
}

/// 409 where nothing of a package is checked.
pub fn check_runs(package: &PackageRow) -> Result<(), Response> {
    let Some(at) = package.paused_at else {
        return Ok(());
    };
    let sentence = format!(
        "{} has been paused since {}: its verdicts stay, nothing of it is checked until an administrator resumes it",
        package.name,
        time(at)
    );
    Err(Response::error(409, &sentence))
}

/// 503 where the queue has no space for so many builds.
pub fn check_queue(state: &State, builds: usize) -> Result<(), Response> {
    if state.scheduler.queue.waiting() + builds as u64 > QUEUE_LIMIT {
        let sentence = "the queue is full: try again later";
        return Err(Response::later(503, sentence, QUEUE_PAUSE_MS));
    }
    Ok(())
}

/// Adds a package, with the first of these names that it may have, and its first check.
fn submit_package(
    state: &mut State,
    mut package: NewPackage,
    (names, zig_versions): (&[String], &[String]),
    tenant: &str,
) -> Result<Submitted, Error> {
    check_accepting(state, zig_versions)?;
    let at = state.now().unix_ms;
    let claim = claim(&state.services.store, &package.url, names)?;
    claim.take(state)?;
    package.name = claim.name;
    let store = &mut state.services.store;
    let id = packages::insert(store, &package, at).map_err(Error::HalfWritten)?;
    let new = NewCheck {
        package_id: Some(id),
        package: &package.name,
        git: Some((&package.url, package.reference.as_deref())),
        dir: package.dir.as_deref(),
        fresh: false,
        priority: Priority::Interactive,
        tenant,
    };
    let check = add_check(state, &new, zig_versions, None)?;
    let value = json!({
        "message": "Package submitted successfully",
        "id": id.get(),
        "name": package.name,
        "url": package.url,
        "author": package.author,
        "status": "Build started for all Zig versions",
        "check": check.id.get(),
        "builds": check.builds,
    });
    Ok(Submitted {
        page: check_path(check.id),
        response: Response::json(201, &value),
    })
}

/// Adds a check of the current source of a package, if there is one, under all toolchains. Without a tenant it counts
/// for the owner of the package. A fresh one takes no verdict from the cache.
fn check_package(
    state: &mut State,
    package: Option<PackageRow>,
    (priority, fresh): (Priority, bool),
    tenant: Option<&str>,
) -> Result<AddedCheck, Error> {
    let package = package.ok_or_else(|| Error::not_found("package"))?;
    check_runs(&package)?;
    let zig_versions = state.settings.zig_versions.clone();
    check_accepting(state, &zig_versions)?;
    let owner = repository::owner(&package.url);
    let new = NewCheck {
        package_id: Some(package.id),
        package: &package.name,
        git: Some((&package.url, package.reference.as_deref())),
        dir: package.dir.as_deref(),
        fresh,
        priority,
        tenant: tenant.unwrap_or(&owner),
    };
    add_check(state, &new, &zig_versions, None)
}

/// Adds a check of an uploaded tree, whose file moves to its place among the sources.
pub fn submit_tree(state: &mut State, conn: Key, tree: Tree) -> Result<Answer, Error> {
    let options = tree.options;
    check_accepting(state, &options.zig_versions)?;
    let (hash, bytes) = tree.incoming.digest();
    let sources = state.settings.data.join("sources");
    let kept = tree.incoming.keep(&sources, tree.format);
    kept.map_err(|error| Error::not_stored(&error))?;
    let source = SourceRow {
        hash,
        format: tree.format.as_str().to_string(),
        bytes,
        dependencies: tree.dependencies,
        manifest: tree.manifest,
    };
    let new = NewCheck {
        package_id: None,
        package: &options.name,
        git: None,
        dir: options.dir.as_deref(),
        fresh: options.fresh,
        priority: Priority::Interactive,
        tenant: &client_id::tenant(tree.client),
    };
    let first_event = state.services.feed.next_event();
    let check = add_check(state, &new, &options.zig_versions, Some(&source))?;
    match options.watch {
        None => Ok(check.accepted().response.into()),
        Some(watch) => {
            let watched = watch::await_end(state, conn, check.id, watch, Some(first_event));
            watched.map_err(Error::half_written)
        }
    }
}

/// Writes a check and its builds, and enqueues them; their source is fetched first, unless it is given.
fn add_check(
    state: &mut State,
    new: &NewCheck,
    zig_versions: &[String],
    source: Option<&SourceRow>,
) -> Result<AddedCheck, Error> {
    let mut write = || {
        let (at, store) = (state.now().unix_ms, &mut state.services.store);
        let id = builds::insert_with_check(store, new, zig_versions, at)?;
        if let Some(source) = source {
            checks::set_source(store, id, source, None, at)?;
        }
        let (_, rows) = state.scheduler.add(id, &mut state.services)?;
        let rows = match source {
            None => rows,
            // Verdicts from the cache are there at once.
            Some(_) => builds::of_check(&state.services.store, id)?,
        };
        Ok((id, rows))
    };
    let (id, rows) = write().map_err(Error::HalfWritten)?;
    let NewCheck {
        package, tenant, ..
    } = new;
    let count = rows.len();
    log::info!("check {id} of {package:?}, of {count} builds, for {tenant:?}");
    // Exact places in a long queue take a while to count: each build gets the last place of its priority.
    let last = state.scheduler.last_place(new.priority);
    let place = |row: &BuildRow| (!row.state.is_final()).then_some(last);
    let builds = rows.iter().map(|row| build_json_at(state, row, place(row)));
    let builds = builds.collect();
    Ok(AddedCheck { id, builds })
}
