//! Badges: images that other pages embed.

use crate::app::render::badge::Badge;
use crate::app::render::limits::BADGE_CACHE_S;
use crate::app::state::State;
use crate::app::store::{compat, packages, results};
use crate::app::web::answer::Error;
use crate::app::web::routes::read::BadgeForm;
use crate::interface::message::Response;

/// The badge of a package. That of an unknown one is 200 as well, and says so: proxies of forges show no image of
/// another status, but a broken picture.
pub fn badge(state: &State, name: Option<&str>, form: BadgeForm) -> Result<Response, Error> {
    let store = &state.services.store;
    let row = match name {
        Some(name) => packages::find(store, name)?,
        None => None,
    };
    let badge = match row {
        None => Badge::unknown(),
        Some(row) => {
            let results = results::of_package(store, row.id)?;
            let toolchains = &state.settings.zig_versions;
            let compat = compat::of_package(store, row.id, toolchains, &results)?;
            Badge::of_package(&row.name, &results, &compat, toolchains)
        }
    };
    let response = match form {
        // Opened by itself, an SVG is a page: it runs nothing and loads nothing.
        BadgeForm::Svg => Response::new(200, "image/svg+xml", badge.svg()).with(
            "Content-Security-Policy",
            "default-src 'none'; sandbox; base-uri 'none'",
        ),
        BadgeForm::Json => Response::json(200, &badge.json()),
    };
    let keep = format!("public, max-age={BADGE_CACHE_S}");
    Ok(response.with("Cache-Control", keep))
}
