//! Calls that read, from their query; the progress of a check and its state share a path.

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::verdict::{BuildStatus, State};
use crate::app::live::subscription::ProgressFormat;
use crate::app::store::builds::BuildFilter;
use crate::app::store::packages::PackageFilter;
use crate::app::web::call::{Call, ReadCall, WatchCall};
use crate::app::web::routes::route_request::RouteRequest;
use crate::interface::message::Response;

pub fn packages(request: &RouteRequest) -> Result<Call, Response> {
    let query = &request.query;
    let columns = [
        ("name", "name"),
        ("created_at", "created_at"),
        ("last_updated", "last_updated"),
        ("popularity_score", "popularity_score"),
    ];
    Ok(Call::Read(ReadCall::Packages {
        filter: PackageFilter {
            search: query.owned("search"),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            license: query.owned("license"),
            author: query.owned("author"),
        },
        sort: query.sort(&columns, "-last_updated")?,
        page: query.page()?,
    }))
}

pub fn package(request: &RouteRequest) -> Result<Call, Response> {
    let name = request.name()?;
    Ok(Call::Read(ReadCall::Package { name }))
}

pub fn builds(request: &RouteRequest) -> Result<Call, Response> {
    let query = &request.query;
    let columns = [
        ("id", "b.id"),
        // Ids rise with time, and their order needs no sorting.
        ("created_at", "b.id"),
        ("finished_at", "b.finished_at"),
        ("package", "c.package"),
        ("zig_version", "b.zig_version"),
    ];
    let check = query.number("check", 1, i64::MAX as u64)?;
    Ok(Call::Read(ReadCall::Builds {
        filter: BuildFilter {
            package: query.owned("package"),
            check: check.map(|id| CheckId(id as i64)),
            zig_version: query.owned("zig_version"),
            status: query.word("status", BuildStatus::ALL, BuildStatus::as_str)?,
            state: query.word("state", State::ALL, State::as_str)?,
        },
        sort: query.sort(&columns, "-id")?,
        page: query.page()?,
    }))
}

pub fn build(request: &RouteRequest) -> Result<Call, Response> {
    let id = BuildId(request.id()?);
    Ok(Call::Read(ReadCall::Build { id }))
}

pub fn check(request: &RouteRequest) -> Result<Call, Response> {
    let id = CheckId(request.id()?);
    let format = request.progress_format();
    let follow = request.query.flag("follow") || format == Some(ProgressFormat::Json);
    Ok(match (follow, format) {
        (true, format) => Call::Watch(WatchCall::Check {
            id,
            format: format.unwrap_or(ProgressFormat::Text),
        }),
        (false, format) => Call::Read(ReadCall::Check {
            id,
            plain: format == Some(ProgressFormat::Text),
        }),
    })
}

pub fn queue(request: &RouteRequest) -> Result<Call, Response> {
    let page = request.query.page()?;
    Ok(Call::Read(ReadCall::Queue { page }))
}
