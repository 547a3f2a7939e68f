//! Archives and sources: received, inspected, unpacked, stored.

pub mod archive;
pub mod fetch_head;
pub mod frame;
pub mod gzip;
pub mod incoming;
pub mod input;
pub mod limits;
pub mod manifest;
pub mod path_guard;
pub mod tar_header;
pub mod unpack;
pub mod zstd;
