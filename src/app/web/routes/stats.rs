//! Calls for statistics: of which set of packages, and over how many days.

use crate::app::web::limits::{SHARE_DAYS, SHARE_DAYS_LIMIT};
use crate::app::web::routes::pages::{self, PageCall, Target};
use crate::app::web::routes::read::{ReadCall, StatsQuery};
use crate::app::web::routes::route::{Route, RouteRequest, get};
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall> + From<PageCall>>() -> [Route<C>; 2] {
    [get("/api/stats", data), get("/stats", page)]
}

fn query(request: &RouteRequest) -> Result<StatsQuery, Response> {
    let set = request.query.number("set", 1, i64::MAX as u64)?;
    let days = request.query.number("days", 1, SHARE_DAYS_LIMIT)?;
    Ok(StatsQuery {
        set: set.map(|id| id as i64),
        days: days.unwrap_or(SHARE_DAYS),
    })
}

fn data<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(C::from(ReadCall::Stats(query(request)?)))
}

fn page<C: From<PageCall>>(request: &RouteRequest) -> Result<C, Response> {
    Ok(pages::call(request, Target::Stats(query(request)?)))
}
