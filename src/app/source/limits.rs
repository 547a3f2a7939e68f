//! Limits of archives and of fetched sources.

/// Longest head of what a fetch container sends: 8 KiB of URLs, which it keeps to, and what else
/// there is to say.
pub const FRAME_HEAD_LIMIT_BYTES: usize = 16 << 10;
/// URLs in it of packages that the source uses.
pub const FRAME_USES_LIMIT: usize = 64;
/// The whole tar, unpacked: half of the room a build has for it, and an end for decompression bombs.
pub const UNPACKED_LIMIT_BYTES: u64 = 512 * 1024 * 1024;
/// Files, directories and links of one tree: each takes an inode, and so memory, where it is unpacked. Of
/// a repository, and of all dependencies of a source, as many: `images/fetch-*` have the same limits.
pub const ENTRIES_LIMIT: u32 = 100_000;
/// Submodules of a repository, and how deep one may be in another; real ones have a handful. They are in
/// `images/fetch-source`.
pub const SUBMODULES_LIMIT: u32 = 256;
pub const SUBMODULES_DEPTH_LIMIT: u32 = 8;
/// Of a `build.zig.zon` so much is looked at: real ones take a few KiB.
pub const MANIFEST_LIMIT_BYTES: usize = 256 * 1024;
/// Dependencies that all manifests of one tree name, and the URLs and hashes of all: a hundred
/// bytes each. `images/common.sh` has the same limits.
pub const ASKED_LIMIT: usize = 1024;
pub const ASKED_LIMIT_BYTES: usize = 256 * 1024;
/// The pax records of one head: names and times, and attributes that some systems add.
pub const RECORDS_LIMIT_BYTES: u64 = 256 * 1024;
/// What the kernel takes as a path, and no more.
pub const PATH_LIMIT_BYTES: usize = 4096;
/// Memory for the links of one tree, each counted with its path and what the set takes for it:
/// ten thousand links of usual length. Real trees have a handful.
pub const LINKS_LIMIT_BYTES: usize = 1024 * 1024;
pub const LINK_COST_BYTES: usize = 64;
/// A name in a message is no longer, in characters.
pub const SHOWN_NAME_LIMIT_CHARS: usize = 100;
/// What one pull gives at most: what a pipe gives at most, too.
pub const UNPACK_LIMIT_BYTES: usize = 64 * 1024;
/// Names and extra fields before gzip data; real ones are a file name long.
pub const GZIP_HEAD_LIMIT_BYTES: usize = 64 * 1024;
/// What a gzip member costs at least, in bytes of work: a file may hold millions of empty ones.
pub const GZIP_MEMBER_COST_BYTES: usize = 4 * 1024;
/// Largest window of a frame, and so the memory that its decoder takes: what zstd uses up to its level 19.
pub const ZSTD_WINDOW_LIMIT_BYTES: u64 = 8 << 20;
/// Work of starting a frame, in bytes: a file may hold millions of empty ones.
pub const ZSTD_FRAME_COST_BYTES: usize = 4 * 1024;
/// Least work of one block, in bytes. A block of a few bytes may decode to 128 KiB.
pub const ZSTD_BLOCK_COST_BYTES: usize = 64 * 1024;
