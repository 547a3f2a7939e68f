//! A server that starts adopts the containers of the one before: no build is lost, and none is built twice.

mod containers;
mod continuation;
mod killed;
