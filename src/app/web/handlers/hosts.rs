//! Answers about the hosts that packages may name.

use serde_json::{Value, json};

use crate::app::render::json::time;
use crate::app::state::State;
use crate::app::store::allowed_hosts::{self, AllowedHostRow};
use crate::app::store::refused_hosts::{self, RefusedHost};
use crate::app::store::store;
use crate::app::web::answer::Error;
use crate::app::web::limits::ALLOWED_HOSTS_LIMIT;
use crate::app::web::routes::hosts::HostCall;
use crate::interface::message::Response;

pub fn answer(state: &mut State, call: HostCall) -> Result<Response, Error> {
    match call {
        HostCall::List => Ok(list(state)?),
        HostCall::Allow { host } => allow(state, host),
        HostCall::Disallow { host } => disallow(state, &host),
    }
}

fn list(state: &State) -> store::Result<Response> {
    let refused = refused_hosts::all(&state.services.store)?;
    let refused: Vec<Value> = refused.iter().map(refused_json).collect();
    let allowed: Vec<Value> = state.allowed_hosts.iter().map(allowed_json).collect();
    let settings = state.named_hosts.to_string();
    let value = json!({ "settings": settings, "allowed": allowed, "refused": refused });
    Ok(Response::json(200, &value))
}

fn allowed_json(row: &AllowedHostRow) -> Value {
    json!({ "host": row.host, "created_at": time(row.created_at) })
}

/// A host that fetches needed and that is not allowed.
pub fn refused_json(row: &RefusedHost) -> Value {
    json!({ "host": row.host, "count": row.count, "last_at": time(row.last_at) })
}

/// Allows a host from the next fetch on.
fn allow(state: &mut State, host: String) -> Result<Response, Error> {
    if state.settings.allow_hosts.allow(&host) {
        return Err(Response::error(409, "the host is allowed already").into());
    }
    if state.allowed_hosts.len() >= ALLOWED_HOSTS_LIMIT {
        let sentence = format!("there are {ALLOWED_HOSTS_LIMIT} such hosts, which is the limit");
        return Err(Response::error(409, &sentence).into());
    }
    let created_at = state.now().unix_ms;
    let row = AllowedHostRow { host, created_at };
    allowed_hosts::insert(&mut state.services.store, &row).map_err(Error::HalfWritten)?;
    let value = allowed_json(&row);
    state.allowed_hosts.push(row);
    state.allowed_hosts.sort_by(|a, b| a.host.cmp(&b.host));
    state.apply_hosts();
    Ok(Response::json(201, &value))
}

fn disallow(state: &mut State, host: &str) -> Result<Response, Error> {
    let place = state.allowed_hosts.iter().position(|row| row.host == host);
    let Some(place) = place else {
        return Err(match state.named_hosts.allow(host) {
            true => Response::error(409, "the host is allowed by --allow-hosts").into(),
            false => Error::not_found("host among those that were allowed"),
        });
    };
    allowed_hosts::delete(&mut state.services.store, host).map_err(Error::HalfWritten)?;
    let row = state.allowed_hosts.remove(place);
    state.apply_hosts();
    Ok(Response::json(200, &allowed_json(&row)))
}
