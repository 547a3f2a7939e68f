//! HTTP and WebSocket: bytes become requests, responses become bytes. No socket, no clock.

pub mod body;
pub mod conn;
pub mod fault;
pub mod grammar;
pub mod gzip;
pub mod head;
pub mod input;
pub mod limits;
pub mod output;
pub mod request_line;
pub mod requests;
pub mod ws;
