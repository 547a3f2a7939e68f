//! Answers about what holds packages back under a Zig version.

use serde_json::Value;

use crate::app::render::view::blockers::BlockersView;
use crate::app::render::view::site::PageOptions;
use crate::app::render::view::upgrade::UpgradeView;
use crate::app::render::{html, text, view};
use crate::app::state::State;
use crate::app::store::list::{Page, Paging};
use crate::app::store::packages;
use crate::app::store::upgrade::{self, Upgrade, UpgradeStatus};
use crate::app::web::answer::Error;
use crate::app::web::handlers::compare::check_known;
use crate::app::web::handlers::frame::{respond, site};
use crate::interface::message::Response;

/// The dependency tree of a package under that version; 404 where one of them is unknown.
fn of_package(state: &State, package: &str, zig_version: &str) -> Result<Upgrade, Error> {
    let store = &state.services.store;
    let row = packages::find(store, package)?;
    let row = row.ok_or_else(|| Error::not_found("package"))?;
    check_known(state, zig_version)?;
    Ok(upgrade::of_package(store, row, zig_version)?)
}

/// One page of what holds back most packages under that version; 404 where it is unknown.
fn blockers(
    state: &State,
    zig_version: &str,
    paging: &Paging,
) -> Result<Page<UpgradeStatus>, Error> {
    check_known(state, zig_version)?;
    Ok(upgrade::blockers(
        &state.services.store,
        zig_version,
        paging,
    )?)
}

/// `GET /api/packages/NAME/upgrade/VERSION`.
pub fn json(state: &State, package: &str, zig_version: &str) -> Result<Value, Error> {
    let found = of_package(state, package, zig_version)?;
    Ok(view::upgrade::json(&found, zig_version))
}

/// `GET /api/upgrade/VERSION`.
pub fn blockers_json(state: &State, zig_version: &str, paging: &Paging) -> Result<Value, Error> {
    let found = blockers(state, zig_version, paging)?;
    Ok(view::blockers::json(&found, zig_version, paging))
}

/// `GET /packages/NAME/upgrade/VERSION`.
pub fn page(
    state: &State,
    package: &str,
    zig_version: &str,
    options: PageOptions,
) -> Result<Response, Error> {
    let found = of_package(state, package, zig_version)?;
    let view = UpgradeView::new(site(state, options), &found, zig_version);
    let body = |html| match html {
        true => html::upgrade::html(&view),
        false => text::upgrade::text(&view),
    };
    Ok(respond(200, &view.site, body))
}

/// `GET /upgrade/VERSION`.
pub fn blockers_page(
    state: &State,
    zig_version: &str,
    paging: &Paging,
    options: PageOptions,
) -> Result<Response, Error> {
    let found = blockers(state, zig_version, paging)?;
    let view = BlockersView::new(site(state, options), &found, zig_version, paging);
    let body = |html| match html {
        true => html::upgrade::blockers(&view),
        false => text::upgrade::blockers(&view),
    };
    Ok(respond(200, &view.site, body))
}
