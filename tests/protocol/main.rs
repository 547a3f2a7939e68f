//! The protocol rooms and their leaves: every case whole, byte by byte, and with bytes behind it;
//! then random bytes and random changes of good ones.

#[path = "../common/mod.rs"]
mod common;

mod answer;
mod body;
mod buffer;
mod conn;
mod gzip;
mod handshake;
mod http;
mod rules;
mod slab;
mod smuggling;
mod ws;
