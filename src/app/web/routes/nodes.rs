//! Calls about the nodes of the cluster.

use crate::app::web::limits::NODE_REASON_LIMIT_BYTES;
use crate::app::web::query::bad;
use crate::app::web::routes::route::{RouteRequest, boolean, text};
use crate::config::limits::HOST_LIMIT_CHARS;
use crate::interface::message::Response;

#[derive(Debug, Clone, PartialEq)]
pub enum NodeCall {
    List,
    /// Takes a node out of service for that reason: it starts nothing new.
    Drain {
        node: String,
        reason: String,
    },
    Resume {
        node: String,
    },
}

pub fn change(request: &RouteRequest) -> Result<NodeCall, Response> {
    let (node, fields) = (request.parameter.to_string(), request.fields()?);
    if node.len() > HOST_LIMIT_CHARS {
        return Err(bad(&format!("node: has at most {HOST_LIMIT_CHARS} bytes")));
    }
    let reason = text(&fields, "reason", NODE_REASON_LIMIT_BYTES)?;
    match (boolean(&fields, "drained")?, reason) {
        (None, _) => Err(bad("drained: is missing")),
        (Some(false), None) => Ok(NodeCall::Resume { node }),
        (Some(false), Some(_)) => Err(bad("reason: only with \"drained\": true")),
        (Some(true), reason) => {
            let reason = reason.unwrap_or_else(|| "drained by an admin".to_string());
            Ok(NodeCall::Drain {
                reason: check_reason(reason)?,
                node,
            })
        }
    }
}

/// One line that the health script of a node does not take for its own: that one it ends by itself.
fn check_reason(reason: String) -> Result<String, Response> {
    let is_line = !reason.trim().is_empty() && !reason.chars().any(char::is_control);
    match is_line && !reason.starts_with("zigcheck:") {
        true => Ok(reason),
        false => Err(bad(
            "reason: must be one line, and not begin with zigcheck:",
        )),
    }
}
