//! Packages by name and repository: which ones a new package may take, and what an admin changes.

use serde_json::json;

use crate::app::builds::commit_searches::Searches;
use crate::app::domain::ids::PackageId;
use crate::app::domain::repository::identity;
use crate::app::state::State;
use crate::app::store::packages::{self, Holder, PackageChange};
use crate::app::store::removals::Removal;
use crate::app::store::store::{self, Store};
use crate::app::web::answer::Error;
use crate::app::web::handlers::rows::package_json;
use crate::interface::message::Response;

/// A free name, and the packages that give it and the repository away.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    pub name: String,
    released: Vec<Holder>,
}

impl Claim {
    /// Takes name and repository from the packages that never had a source. Their builds stay.
    pub fn take(&self, state: &mut State) -> Result<(), Error> {
        for holder in &self.released {
            let (scheduler, services) = (&mut state.scheduler, &mut state.services);
            let removed = scheduler.remove_package(holder, Removal::Detach, services);
            removed.map_err(Error::HalfWritten)?;
        }
        Ok(())
    }
}

/// The first of these names that a package with that URL may have, and the repository; else 409, which says who has
/// them.
pub fn claim(store: &Store, url: &str, names: &[String]) -> Result<Claim, Error> {
    let mut released = Vec::new();
    if let Some(holder) = packages::with_repository(store, &identity(url), url)? {
        if packages::keeps_name(store, &holder)? {
            return Err(known(&holder).into());
        }
        released.push(holder);
    }
    let mut first = None;
    for name in names {
        let Some(holder) = packages::with_name(store, name)? else {
            let name = name.clone();
            return Ok(Claim { name, released });
        };
        if released.contains(&holder) || !packages::keeps_name(store, &holder)? {
            let name = name.clone();
            released.push(holder);
            released.dedup();
            return Ok(Claim { name, released });
        }
        first.get_or_insert(holder);
    }
    let holder = first.expect("there is a name at least");
    Err(taken(&holder).into())
}

/// 409: the repository has a package.
fn known(holder: &Holder) -> Response {
    let name = &holder.name;
    let again = match holder.paused_at {
        Some(_) => ", which is paused until an administrator resumes it".to_string(),
        None => format!("; POST /api/packages/{name}/builds checks it again"),
    };
    let sentence = format!("this repository is known as {name}{again}");
    let value = json!({ "error": sentence, "id": holder.id.get(), "name": name });
    Response::json(409, &value)
}

/// 409: another repository has the name.
fn taken(holder: &Holder) -> Response {
    let Holder { name, url, .. } = holder;
    let sentence = format!("the name {name} belongs to {url}; send another name");
    Response::json(409, &json!({ "error": sentence, "url": url }))
}

/// `DELETE /api/packages/NAME`: nothing is left of the package once its builds have been cancelled and deleted, a few
/// in each turn.
pub fn delete(state: &mut State, name: &str) -> Result<Response, Error> {
    let holder = packages::with_name(&state.services.store, name)?;
    let holder = holder.ok_or_else(|| Error::not_found("package"))?;
    let (scheduler, services) = (&mut state.scheduler, &mut state.services);
    let removed = scheduler.remove_package(&holder, Removal::Delete, services);
    removed.map_err(Error::HalfWritten)?;
    log::info!("package {} {name:?} is deleted", holder.id);
    let value = json!({ "message": "Package deleted", "id": holder.id.get(), "name": name });
    Ok(Response::json(200, &value))
}

/// `PATCH /api/packages/NAME`: the package as it is then. Its history stays, also under another repository.
pub fn change(state: &mut State, name: &str, mut change: PackageChange) -> Result<Response, Error> {
    let store = &state.services.store;
    let row = packages::by_name(store, name)?.ok_or_else(|| Error::not_found("package"))?;
    change.name = change.name.filter(|new| *new != row.name);
    let mut claim = Claim {
        name: String::new(),
        released: Vec::new(),
    };
    if let Some(url) = &change.url {
        let holder = packages::with_repository(store, &identity(url), url)?;
        yields(
            store,
            holder.filter(|holder| holder.id != row.id),
            known,
            &mut claim,
        )?;
    }
    if let Some(new) = &change.name {
        let holder = packages::with_name(store, new)?;
        yields(
            store,
            holder.filter(|holder| holder.id != row.id),
            taken,
            &mut claim,
        )?;
    }
    let at = state.now().unix_ms;
    claim.take(state)?;
    let store = &mut state.services.store;
    packages::update(store, &row, &change, at).map_err(Error::HalfWritten)?;
    if change.paused == Some(true) {
        end_questions(state, row.id).map_err(Error::HalfWritten)?;
    }
    let store = &state.services.store;
    let row = packages::by_id(store, row.id).map_err(Error::HalfWritten)?;
    let row = row.expect("it was just written");
    let value = package_json(state, &row).map_err(Error::HalfWritten)?;
    Ok(Response::json(200, &value))
}

/// Adds a package to those that are released; a conflict if it keeps what it has.
fn yields(
    store: &Store,
    holder: Option<Holder>,
    conflict: fn(&Holder) -> Response,
    claim: &mut Claim,
) -> Result<(), Error> {
    let Some(holder) = holder else { return Ok(()) };
    if packages::keeps_name(store, &holder)? {
        return Err(conflict(&holder).into());
    }
    claim.released.push(holder);
    claim.released.dedup();
    Ok(())
}

/// Ends what a package that is paused now would go on with. A search would end with no commit that works, which nobody
/// knows.
fn end_questions(state: &mut State, package: PackageId) -> store::Result<()> {
    let (scheduler, services) = (&mut state.scheduler, &mut state.services);
    scheduler.drop_questions(package, services)?;
    let mut searches = Searches {
        scheduler,
        services,
    };
    searches.cancel(package)
}
