//! Calls about the hosts that packages may name.

use crate::app::web::limits::HOST_LIMIT_BYTES;
use crate::app::web::query::bad;
use crate::app::web::routes::route::{RouteRequest, text};
use crate::config::settings::Hosts;
use crate::config::values;
use crate::interface::message::Response;

#[derive(Debug, Clone, PartialEq)]
pub enum HostCall {
    List,
    Allow { host: String },
    Disallow { host: String },
}

pub fn allow(request: &RouteRequest) -> Result<HostCall, Response> {
    let host = text(&request.fields()?, "host", HOST_LIMIT_BYTES)?;
    let host = check(host.as_deref())?;
    Ok(HostCall::Allow { host })
}

pub fn disallow(request: &RouteRequest) -> Result<HostCall, Response> {
    let host = check(request.query.get("host"))?;
    Ok(HostCall::Disallow { host })
}

/// One name as `--allow-hosts` takes several.
fn check(host: Option<&str>) -> Result<String, Response> {
    let host = host.ok_or_else(|| bad("host: is missing"))?;
    match values::hosts(host) {
        Ok(Hosts::These(names)) if names.len() == 1 => Ok(host.trim().to_ascii_lowercase()),
        _ => Err(bad("host: must be the name of one host, without a port")),
    }
}
