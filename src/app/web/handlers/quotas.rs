//! Answers about quotas.

use serde_json::{Value, json};

use crate::app::render::json::time;
use crate::app::state::State;
use crate::app::store::quotas::{self, QuotaRow};
use crate::app::web::answer::Error;
use crate::app::web::limits::QUOTAS_LIMIT;
use crate::app::web::routes::quotas::QuotaCall;
use crate::base::client_net::ClientNet;
use crate::interface::message::Response;

pub fn answer(state: &mut State, call: QuotaCall) -> Result<Response, Error> {
    match call {
        QuotaCall::List => Ok(list(state)),
        QuotaCall::Set {
            network,
            per_hour,
            reason,
            hours,
        } => {
            let now = state.now().unix_ms;
            let row = QuotaRow {
                network,
                per_hour: per_hour as i64,
                reason,
                created_at: now,
                until: hours.map(|hours| now + hours as i64 * 3_600_000),
            };
            set(state, row)
        }
        QuotaCall::End { network } => end(state, network),
    }
}

fn list(state: &State) -> Response {
    let now = state.now().unix_ms;
    let held = state.quotas.iter().filter(|row| row.holds(now));
    let all: Vec<Value> = held.map(quota_json).collect();
    Response::json(200, &json!({ "quotas": all }))
}

fn quota_json(row: &QuotaRow) -> Value {
    json!({
        "address": row.network.to_string(),
        "per_hour": row.per_hour,
        "reason": row.reason,
        "created_at": time(row.created_at),
        "until": row.until.map(time),
    })
}

/// Enters a quota. Those that are over go.
fn set(state: &mut State, row: QuotaRow) -> Result<Response, Error> {
    let now = row.created_at;
    let stays = |other: &QuotaRow| other.holds(now) && other.network != row.network;
    if state.quotas.iter().filter(|other| stays(other)).count() >= QUOTAS_LIMIT {
        let sentence = format!("there are {QUOTAS_LIMIT} quotas, which is the limit; end one");
        return Err(Response::error(409, &sentence).into());
    }
    let store = &mut state.services.store;
    for other in state.quotas.iter().filter(|other| !stays(other)) {
        quotas::delete(store, other.network).map_err(Error::HalfWritten)?;
    }
    quotas::insert(store, &row).map_err(Error::HalfWritten)?;
    state.quotas.retain(stays);
    let value = quota_json(&row);
    state.quotas.push(row);
    Ok(Response::json(200, &value))
}

fn end(state: &mut State, network: ClientNet) -> Result<Response, Error> {
    let place = state.quotas.iter().position(|row| row.network == network);
    let place = place.ok_or_else(|| Error::not_found("quota"))?;
    quotas::delete(&mut state.services.store, network).map_err(Error::HalfWritten)?;
    let row = state.quotas.remove(place);
    Ok(Response::json(200, &quota_json(&row)))
}
