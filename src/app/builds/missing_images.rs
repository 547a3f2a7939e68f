//! A task whose image is missing goes back into the queue. It has cost no attempt: a machine that was just set up makes
//! its images for minutes, and so does one whose images were removed.

use crate::app::builds::limits::MISSING_IMAGE_PAUSE_MS;
use crate::app::builds::services::Services;
use crate::app::domain::task::Entry;
use crate::app::queue::queue::Queue;
use crate::app::store::store;

/// Puts the task back, until the engine has listed its images anew. False: it was not started.
pub fn put_back(queue: &mut Queue, entry: &Entry, services: &mut Services) -> store::Result<bool> {
    let now = services.now;
    services
        .engine
        .want_images(now.mono_ms + MISSING_IMAGE_PAUSE_MS);
    let until = now.unix_ms + MISSING_IMAGE_PAUSE_MS as i64;
    queue.push(&mut services.store, entry, Some(until), now.unix_ms)?;
    Ok(false)
}
