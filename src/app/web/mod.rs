//! Requests become calls, calls become responses.

pub mod access;
pub mod answer;
pub mod call;
mod call_fields;
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
