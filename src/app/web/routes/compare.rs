//! Calls for comparisons of two Zig versions: which versions, among which packages.

use crate::app::domain::comparison::Outcome;
use crate::app::domain::zig_version;
use crate::app::store::comparison_list::{Among, Asked};
use crate::app::web::limits::{COMPARED_NAMES_LIMIT, COMPARED_PACKAGES_LIMIT};
use crate::app::web::query::bad;
use crate::app::web::routes::pages::{self, PageCall, Target};
use crate::app::web::routes::read::{CompareForm, ReadCall};
use crate::app::web::routes::route::{Route, RouteRequest, check_name, get};
use crate::config::values::is_version;
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall> + From<PageCall>>() -> [Route<C>; 2] {
    [get("/api/compare/*", data), get("/compare/*", page)]
}

fn page<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    let (asked, page) = (asked(request)?, request.query.page()?);
    Ok(pages::call(request, Target::Compare { asked, page }))
}

fn data<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let query = &request.query;
    let outcome = query.word("outcome", Outcome::ALL, Outcome::as_str)?;
    let form = match (query.get("format"), outcome) {
        (Some("names"), outcome) => CompareForm::Names(outcome.unwrap_or(Outcome::NewlyBroken)),
        (_, Some(_)) => return Err(bad("outcome: needs format=names")),
        (None | Some("json"), None) => CompareForm::Json,
        (Some("markdown"), None) => CompareForm::Markdown(pages::options(request.head, false)),
        (Some(_), None) => return Err(bad("format: must be one of json, markdown, names")),
    };
    Ok(C::from(ReadCall::Compare {
        asked: asked(request)?,
        form,
        page: query.page()?,
    }))
}

/// What is compared; an error says how it is written.
fn asked(request: &RouteRequest) -> Result<Asked, Response> {
    let query = &request.query;
    let versions = request.parameter.split_once("..");
    let versions = versions.filter(|(older, newer)| is_version(older) && is_version(newer));
    let Some((older, newer)) = versions else {
        return Err(bad("the path must end in OLD..NEW, such as 0.16.0..0.17.1"));
    };
    if zig_version::compare(older, newer).is_ge() {
        let sentence = format!("{older} is not older than {newer}: the older version comes first");
        return Err(bad(&sentence));
    }
    let (error_key, place) = (query.owned("error_key"), query.owned("where"));
    if place.is_some() && error_key.is_none() {
        return Err(bad("where: needs error_key"));
    }
    Ok(Asked {
        older: older.to_string(),
        newer: newer.to_string(),
        among: among(query.get("packages"))?,
        error_key,
        place,
    })
}

/// A number asks for the most used packages; a list names them. `2048,` is a list with one name.
fn among(packages: Option<&str>) -> Result<Among, Response> {
    let Some(text) = packages else {
        return Ok(Among::All);
    };
    if text.bytes().all(|b| b.is_ascii_digit()) {
        let number = text.parse().ok();
        let number = number.filter(|number| (1..=COMPARED_PACKAGES_LIMIT).contains(number));
        let sentence = format!(
            "packages: must be names separated by commas, or a number from 1 to {COMPARED_PACKAGES_LIMIT}"
        );
        return number.map(Among::MostUsed).ok_or_else(|| bad(&sentence));
    }
    let names = text.split(',').filter(|name| !name.is_empty());
    let names = names.map(|name| check_name("packages", name.to_string()));
    let mut names = names.collect::<Result<Vec<String>, Response>>()?;
    names.sort();
    names.dedup();
    match names.len() <= COMPARED_NAMES_LIMIT {
        true => Ok(Among::Named(names)),
        false => Err(bad(&format!(
            "packages: must be at most {COMPARED_NAMES_LIMIT} names"
        ))),
    }
}
