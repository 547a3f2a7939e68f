//! Real clients of the real server: curl and git, Python's `websockets` and a reader of server-sent
//! events, and plain sockets that do what no decent client does.

mod ask;
mod ci;
mod crowd;
mod follow;
mod gzip;
mod logs;
mod python;
mod shapes;
mod stubborn;
mod uploads;
