//! Answers about what a newer Zig version changes.

use crate::app::render::comparison;
use crate::app::render::text;
use crate::app::render::view::compare::{CompareView, Headline, newest_pair};
use crate::app::render::view::site::PageOptions;
use crate::app::state::State;
use crate::app::store::comparison_list::{self, Asked, Comparison};
use crate::app::store::list::Paging;
use crate::app::store::toolchains;
use crate::app::web::answer::Error;
use crate::app::web::handlers::frame::site;
use crate::app::web::routes::read::CompareForm;
use crate::interface::message::Response;

/// `GET /api/compare/OLD..NEW`.
pub fn data(
    state: &State,
    asked: &Asked,
    form: CompareForm,
    page: &Paging,
) -> Result<Response, Error> {
    let store = &state.services.store;
    match form {
        CompareForm::Json => {
            let found = read(state, asked, page)?;
            Ok(Response::json(200, &comparison::json(asked, &found, page)))
        }
        CompareForm::Markdown(options) => {
            let view = view(state, asked, page, &options)?;
            let text = text::compare::markdown(&view);
            Ok(Response::new(200, "text/markdown; charset=utf-8", text))
        }
        CompareForm::Names(outcome) => {
            check_both_known(state, asked)?;
            let names = comparison_list::names(store, asked, outcome, page.page)?;
            let text: String = names.iter().map(|name| format!("{name}\n")).collect();
            Ok(Response::new(200, "text/plain; charset=utf-8", text))
        }
    }
}

/// The page of a comparison.
pub fn view(
    state: &State,
    asked: &Asked,
    page: &Paging,
    options: &PageOptions,
) -> Result<CompareView, Error> {
    let found = read(state, asked, page)?;
    let versions = &state.settings.zig_versions;
    let site = site(state, options.clone());
    Ok(CompareView::new(site, asked, &found, page, versions))
}

/// What the newest Zig version breaks, and what the newest version behind each name such as `master` does, in a
/// sentence each; none where that cannot be said.
pub fn headlines(state: &State) -> Result<Vec<Headline>, Error> {
    let store = &state.services.store;
    let dated = toolchains::dated_versions(store)?;
    let dated = dated.iter().filter_map(|row| {
        let previous = row.previous.as_deref()?;
        Some((previous, row.dated_version.as_str()))
    });
    let mut headlines = Vec::new();
    for (older, newer) in newest_pair(&state.settings.zig_versions)
        .into_iter()
        .chain(dated)
    {
        let found = comparison_list::counts(store, older, newer)?;
        headlines.extend(Headline::new(older, newer, &found));
    }
    Ok(headlines)
}

/// What changed between two versions; 404 where one of them is unknown.
fn read(state: &State, asked: &Asked, page: &Paging) -> Result<Comparison, Error> {
    check_both_known(state, asked)?;
    Ok(comparison_list::compare(
        &state.services.store,
        asked,
        page,
    )?)
}

fn check_both_known(state: &State, asked: &Asked) -> Result<(), Error> {
    check_known(state, &asked.older)?;
    check_known(state, &asked.newer)
}

/// 404 where a version is unknown: it is known where packages can be checked under it, or were.
pub fn check_known(state: &State, version: &str) -> Result<(), Error> {
    let available = &state.settings.zig_versions;
    let is_available = available.iter().any(|known| known == version);
    let mut tried = comparison_list::versions(&state.services.store)?.into_iter();
    if is_available || tried.any(|known| known == version) {
        return Ok(());
    }
    let known = available.join(", ");
    let sentence = format!("unknown Zig version {version}; available: {known}");
    Err(Response::error(404, &sentence).into())
}
