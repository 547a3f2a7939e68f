//! Feeds: the newest changes of verdicts, for feed readers.

use form_urlencoded::Serializer;

use crate::app::render::atom::{self, Feed};
use crate::app::render::sanitize::Clean;
use crate::app::render::view::parts::package_path;
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
    let mut query = Serializer::new(String::new());
    let mut title = row.as_ref().map_or("packages", |row| &row.name).to_string();
    if let Some(version) = &zig_version {
        query.append_pair("zig_version", version);
        title += &format!(" under Zig {version}");
    }
    if only_broken {
        query.append_pair("only", "broken");
    }
    let query = query.finish();
    // One address for all names of a package.
    let page = row.as_ref().map(|row| package_path(&row.name));
    let mut path = format!("{}/feed.atom", page.as_deref().unwrap_or_default());
    if !query.is_empty() {
        path += &format!("?{query}");
    }
    let what = if only_broken {
        "broken"
    } else {
        "verdicts that changed"
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
    let feed = Feed {
        title: Clean::new(&format!("zigcheck: {title}, {what}")),
        origin,
        path,
        page: page.unwrap_or_else(|| "/".to_string()),
    };
    let response = Response::new(
        200,
        "application/atom+xml; charset=utf-8",
        atom::atom(&feed, &entries),
    );
    // A browser that shows it runs nothing of it.
    Ok(response.with("Content-Security-Policy", "default-src 'none'; sandbox"))
}
