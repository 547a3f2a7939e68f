//! Real clients of the real server, with a stand-in for docker: curl and git, Python's `websockets`
//! and a reader of server-sent events, and plain sockets that do what no decent client does.
//!
//! They need what `tests/setup` installs, and fail without: `make test` sees to it.

#[path = "common/seed.rs"]
mod seed;
#[path = "common/server.rs"]
mod server;
#[path = "common/standin.rs"]
mod standin;
#[path = "common/wire.rs"]
mod wire;

#[path = "clients/ask.rs"]
mod ask;
#[path = "clients/follow.rs"]
mod follow;
#[path = "clients/crowd.rs"]
mod limiter;
#[path = "clients/logs.rs"]
mod logs;
#[path = "clients/python.rs"]
mod python;
#[path = "clients/shapes.rs"]
mod shapes;
#[path = "clients/stubborn.rs"]
mod stubborn;
#[path = "clients/uploads.rs"]
mod uploads;
