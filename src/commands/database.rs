//! Opens the database of a data directory, which is upgraded if it is of an older program.

use std::path::Path;

use crate::app::store::migrations::OpenError;
use crate::app::store::store::Store;
use crate::app::store::trial;
use crate::shell::disk;

/// The database of that directory, which the caller has locked. It is created if it is missing.
pub fn open(data: &Path) -> Result<Store, OpenError> {
    let path = data.join("zigcheck.db");
    if let Some(upgrade) = trial::needed(&path)? {
        let (from, to) = (upgrade.from, upgrade.to);
        log::info!("the database is upgraded from schema {from} to {to}, first on a copy");
        let free_bytes = disk::space(data).ok().map(|space| space.usage.free_bytes);
        trial::run(&path, upgrade, free_bytes)?;
    }
    Store::open(&path)
}
