//! Known verdicts, shared builds and fetched files: nothing is built or fetched twice.

mod experienced;
mod files;
mod fresh;
mod kept;
mod verdicts;
mod waiters;
