//! Data structures that know nothing of the program.

pub mod buffer;
pub mod client_addr;
pub mod control_chars;
pub mod slab;
pub mod token_bucket;
