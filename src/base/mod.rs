//! Data structures and helpers that know nothing of the program.

pub mod buffer;
pub mod client_addr;
pub mod client_net;
pub mod control_chars;
pub mod files;
pub mod histogram;
pub mod key_queue;
pub mod slab;
pub mod token_bucket;
