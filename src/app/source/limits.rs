//! Limits of archives and of fetched sources.

/// Longest head of what a fetch container sends: at most 8 KiB of URLs, as much of declared dependencies, and the other
/// fields.
pub const FRAME_HEAD_LIMIT_BYTES: usize = 32 << 10;
/// URLs in it, of packages that the source uses.
pub const FRAME_USES_LIMIT: usize = 64;
/// Dependencies in it that manifests declare, and the longest name and hash of one.
pub const FRAME_DECLARED_LIMIT: usize = 64;
pub const DECLARED_TEXT_LIMIT_BYTES: usize = 200;
/// Hosts in it that are not allowed, and the longest name that DNS allows.
pub const FRAME_HOSTS_LIMIT: usize = 32;
pub const HOST_LIMIT_BYTES: usize = 253;
/// Size of the tar, decompressed: half of the space that a build has for it; also stops decompression bombs.
pub const UNPACKED_LIMIT_BYTES: u64 = 512 * 1024 * 1024;
/// Files, directories and links of one tree: each takes an inode, and so memory, once unpacked. The same limit
/// holds for a repository and for all dependencies of a source (`images/fetch-*`).
pub const ENTRIES_LIMIT: u32 = 100_000;
/// Submodules of a repository, and their nesting; real ones have a handful. `images/fetch-source` has the same
/// limits.
pub const SUBMODULES_LIMIT: u32 = 256;
pub const SUBMODULES_DEPTH_LIMIT: u32 = 8;
/// Bytes that are read of a `build.zig.zon`; real ones have a few KiB.
pub const MANIFEST_LIMIT_BYTES: usize = 256 * 1024;
/// Dependencies that the manifests of one tree may name, and the bytes of their URLs and hashes: about a
/// hundred each. `images/common.sh` has the same limits.
pub const DEPENDENCIES_LIMIT: usize = 1024;
pub const DEPENDENCIES_LIMIT_BYTES: usize = 256 * 1024;
/// The pax records of one header: names, times, and attributes that some systems add.
pub const RECORDS_LIMIT_BYTES: u64 = 256 * 1024;
/// Longest path that the kernel accepts.
pub const PATH_LIMIT_BYTES: usize = 4096;
/// Memory for the links of one tree, each counted with its path and its place in the set: ten thousand links of
/// usual length. Real trees have a handful.
pub const LINKS_LIMIT_BYTES: usize = 1024 * 1024;
pub const LINK_COST_BYTES: usize = 64;
/// Longest name in a message.
pub const SHOWN_NAME_LIMIT_CHARS: usize = 100;
/// Most bytes of one pull: as much as a pipe holds.
pub const UNPACK_LIMIT_BYTES: usize = 64 * 1024;
/// Names and extra fields before gzip data; real ones are one file name.
pub const GZIP_HEADER_LIMIT_BYTES: usize = 64 * 1024;
/// Least work of a gzip member, in bytes: a file may hold millions of empty ones.
pub const GZIP_MEMBER_COST_BYTES: usize = 4 * 1024;
/// Largest window of a frame, and so the memory that its decoder takes: what zstd uses up to its level 19.
pub const ZSTD_WINDOW_LIMIT_BYTES: u64 = 8 << 20;
/// Work of starting a frame, in bytes: a file may hold millions of empty ones.
pub const ZSTD_FRAME_COST_BYTES: usize = 4 * 1024;
/// Least work of one block, in bytes. A block of a few bytes may decode to 128 KiB.
pub const ZSTD_BLOCK_COST_BYTES: usize = 64 * 1024;
/// Commits that a fetch finds in its history: it is asked about `KEPT_COMMITS_LIMIT`.
pub const FRAME_ANCESTORS_LIMIT: usize = 8;
