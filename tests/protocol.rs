//! The protocol rooms and their leaves: every case whole, byte by byte, and with bytes behind it;
//! then random bytes and random changes of good ones.

#[path = "common/seed.rs"]
mod seed;

#[path = "protocol/answer.rs"]
mod answer;
#[path = "protocol/body.rs"]
mod body;
#[path = "protocol/buffer.rs"]
mod buffer;
#[path = "protocol/conn.rs"]
mod conn;
#[path = "protocol/fuzz.rs"]
mod fuzz;
#[path = "protocol/fuzz_ws.rs"]
mod fuzz_ws;
#[path = "protocol/handshake.rs"]
mod handshake;
#[path = "protocol/http.rs"]
mod http;
#[path = "protocol/play.rs"]
mod play;
#[path = "protocol/slab.rs"]
mod slab;
#[path = "protocol/smuggling.rs"]
mod smuggling;
#[path = "protocol/talk.rs"]
mod talk;
#[path = "protocol/ws.rs"]
mod ws;
