//! Feeds: the newest changes of verdicts, for feed readers.

use crate::app::domain::transition::Transition;
use crate::app::render::atom::{self, Entry, Feed};
use crate::app::render::view::feed::FeedScope;
use crate::app::state::State;
use crate::app::store::changes::{self, ChangeFilter};
use crate::app::store::packages;
use crate::app::store::transitions::{self, TransitionFilter};
use crate::app::web::answer::Error;
use crate::app::web::limits::FEED_LIMIT_ENTRIES;
use crate::interface::message::Response;

pub fn feed(
    state: &State,
    package: Option<&str>,
    (zig_version, only): (Option<String>, Option<Transition>),
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
        only,
    };
    let feed = Feed {
        title: scope.title(),
        origin,
        path: scope.path(),
        page: scope.page(),
    };
    let package = row.as_ref().map(|row| row.id);
    let mut entries = Vec::new();
    if let Some(only) = only {
        let filter = TransitionFilter {
            package,
            zig_version: zig_version.as_deref(),
        };
        let found = transitions::newest(store, only, filter, FEED_LIMIT_ENTRIES)?;
        entries.extend(found.into_iter().map(Entry::of_transition));
    } else {
        let filter = ChangeFilter {
            package,
            zig_version,
        };
        for change in changes::newest(store, &filter, FEED_LIMIT_ENTRIES)? {
            let build = changes::build(store, &change)?;
            entries.push(Entry::of_change(change, build));
        }
    }
    let response = Response::new(
        200,
        "application/atom+xml; charset=utf-8",
        atom::atom(&feed, &entries),
    );
    // A browser that shows it runs nothing of it.
    Ok(response.with("Content-Security-Policy", "default-src 'none'; sandbox"))
}
