//! The real server behind Caddy, nginx and HAProxy as docs/proxies.md has them, and behind Apache, with TLS and HTTP/2;
//! and uploads by clients that write all before they read.

mod commands;
mod live;
mod proxy;
mod recipes;
mod uploads;
