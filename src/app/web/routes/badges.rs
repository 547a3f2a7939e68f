//! Calls for badges: which package, and in which form.

use crate::app::web::routes::read::{BadgeForm, ReadCall};
use crate::app::web::routes::route::{Route, RouteRequest, check_name, get};
use crate::interface::message::Response;

pub const fn routes<C: From<ReadCall>>() -> [Route<C>; 2] {
    [get("/badge/*", badge), get("/badge/**", badge)]
}

fn badge<C: From<ReadCall>>(request: &RouteRequest) -> Result<C, Response> {
    let svg = request.parameter.strip_suffix(".svg");
    let json = request.parameter.strip_suffix(".json");
    let (name, form) = match (svg, json) {
        (Some(name), _) => (name, BadgeForm::Svg),
        (_, Some(name)) => (name, BadgeForm::Json),
        (None, None) => {
            let sentence = "a badge is at /badge/NAME.svg or /badge/NAME.json";
            return Err(Response::error(404, sentence));
        }
    };
    // A name that no package can have is that of none: the badge says so.
    let name = match name.contains('/') {
        true => request.repository().map(|_| name.to_string()),
        false => check_name("name", name.to_string()),
    };
    let name = name.ok();
    Ok(C::from(ReadCall::Badge { name, form }))
}
