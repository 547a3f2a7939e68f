//! Requests become calls, calls become responses.

pub mod access;
pub mod answer;
mod call_fields;
pub mod call_kind;
pub mod client_id;
pub mod conditional;
pub mod examples;
pub mod handlers;
pub mod limits;
pub mod openapi;
pub mod query;
pub mod rate_limits;
pub mod reads;
pub mod reference;
pub mod request;
pub mod routes;
pub mod upload;
