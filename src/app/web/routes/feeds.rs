//! Calls for feeds: which changes of verdicts.

use crate::app::domain::transition::Transition;
use crate::app::render::view::feed::category;
use crate::app::web::request;
use crate::app::web::routes::read::ReadCall;
use crate::app::web::routes::route::{Route, RouteRequest, get};
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall>>() -> [Route<C>; 3] {
    [
        get("/feed.atom", all),
        get("/packages/*/feed.atom", of_package),
        get("/packages/**/feed.atom", of_repository),
    ]
}

fn call<C: From<ReadCall>>(request: &RouteRequest, package: Option<String>) -> Result<C, Response> {
    let only = request.query.word("only", Transition::ALL, category)?;
    let host = request::host(request.head).unwrap_or("localhost");
    Ok(C::from(ReadCall::Feed {
        package,
        zig_version: request.query.owned("zig_version"),
        only,
        origin: format!("{}://{host}", request::scheme(request.head)),
    }))
}

fn all<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    call(request, None)
}

fn of_package<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    call(request, Some(request.name()?))
}

fn of_repository<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    call(request, Some(request.repository()?))
}
