//! Calls about quotas: which there are, a new one, one that goes.

use serde_json::Value;

use crate::app::web::limits::{QUOTA_HOURS_LIMIT, QUOTA_LIMIT_PER_HOUR, QUOTA_REASON_LIMIT_BYTES};
use crate::app::web::query::bad;
use crate::app::web::routes::route::{RouteRequest, text};
use crate::base::client_net::ClientNet;
use crate::interface::message::Response;

#[derive(Debug, Clone, PartialEq)]
pub enum QuotaCall {
    List,
    Set {
        network: ClientNet,
        per_hour: u64,
        reason: String,
        /// How long it holds; none: until it is ended.
        hours: Option<u64>,
    },
    End {
        network: ClientNet,
    },
}

pub fn set(request: &RouteRequest) -> Result<QuotaCall, Response> {
    let fields = request.fields()?;
    let number = |name: &str, limit: u64| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_u64().filter(|number| *number <= limit);
            let sentence = format!("{name}: must be a number from 0 to {limit}");
            number.map(Some).ok_or_else(|| bad(&sentence))
        }
    };
    let address = text(&fields, "address", 1_000)?;
    let per_hour = number("per_hour", QUOTA_LIMIT_PER_HOUR)?;
    Ok(QuotaCall::Set {
        network: network(address.as_deref())?,
        per_hour: per_hour.ok_or_else(|| bad("per_hour: is missing"))?,
        reason: text(&fields, "reason", QUOTA_REASON_LIMIT_BYTES)?.unwrap_or_default(),
        hours: number("hours", QUOTA_HOURS_LIMIT)?,
    })
}

pub fn end(request: &RouteRequest) -> Result<QuotaCall, Response> {
    let network = network(request.query.get("address"))?;
    Ok(QuotaCall::End { network })
}

fn network(address: Option<&str>) -> Result<ClientNet, Response> {
    let address = address.ok_or_else(|| bad("address: is missing"))?;
    let sentence = "address: must be an IPv4 or IPv6 address, or ADDRESS/BITS, of IPv6 at most /64";
    ClientNet::parse(address).ok_or_else(|| bad(sentence))
}
