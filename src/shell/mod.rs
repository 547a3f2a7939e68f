//! The reactor and the only system calls on sockets, pipes, processes and clocks.

pub mod ask;
pub mod child;
pub mod client;
pub mod clients;
pub mod clock;
pub mod connection_limiter;
pub mod curl;
pub mod disk;
pub mod journal;
pub mod limits;
pub mod listen;
pub mod one_shot;
pub mod pollable;
pub mod processes;
pub mod reactor;
pub mod signal;
pub mod systemd;
pub mod timeouts;
pub mod worker;
