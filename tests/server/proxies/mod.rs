//! The real server behind nginx and Apache, with TLS and HTTP/2, and with the lines that docs/operations.md gives; and
//! uploads by clients that write all before they read.

mod live;
mod proxy;
mod uploads;
