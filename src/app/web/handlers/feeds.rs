//! Feeds: the newest changes of verdicts, for feed readers.

use crate::app::render::atom::{self, Feed};
use crate::app::render::view::feed::FeedScope;
use crate::app::state::State;
use crate::app::store::changes::{self, ChangeFilter};
use crate::app::store::packages;
use crate::app::web::answer::Error;
use crate::app::web::limits::FEED_LIMIT_ENTRIES;
use crate::interface::message::Response;

pub fn feed(
    state: &State,
    package: Option<&str>,
    (zig_version, only_broken): (Option<String>, bool),
    origin: String,
) -> Result<Response, Error> {
    let store = &state.services.store;
    let row = match package {
        None => None,
        Some(name) => {
            let row = packages::find(store, name)?;
            Some(row.ok_or_else(|| Error::not_found("package"))?)
        }
    };
    let scope = FeedScope {
        package: row.as_ref().map(|row| &*row.name),
        zig_version: zig_version.as_deref(),
        only_broken,
    };
    let feed = Feed {
        title: scope.title(),
        origin,
        path: scope.path(),
        page: scope.page(),
    };
    let filter = ChangeFilter {
        package: row.as_ref().map(|row| row.id),
        zig_version,
        only_broken,
    };
    let mut entries = Vec::new();
    for change in changes::newest(store, &filter, FEED_LIMIT_ENTRIES)? {
        let build = changes::build(store, &change)?;
        entries.push((change, build));
    }
    let response = Response::new(
        200,
        "application/atom+xml; charset=utf-8",
        atom::atom(&feed, &entries),
    );
    // A browser that shows it runs nothing of it.
    Ok(response.with("Content-Security-Policy", "default-src 'none'; sandbox"))
}
