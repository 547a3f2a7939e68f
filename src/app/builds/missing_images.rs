//! What waits for an image: a task that goes back into the queue, the check of all packages under a version and, while
//! there is no image at all, the whole queue. A task has cost no attempt: a machine that was just set up makes its
//! images for minutes, and so does one whose images were removed.

use crate::app::builds::limits::MISSING_IMAGE_PAUSE_MS;
use crate::app::builds::services::Services;
use crate::app::domain::task::Entry;
use crate::app::queue::queue::Queue;
use crate::app::store::store;

/// Has the engine list its images anew after a pause.
pub fn want(services: &mut Services) {
    let at_ms = services.now.mono_ms + MISSING_IMAGE_PAUSE_MS;
    services.engine.want_images(at_ms);
}

/// Puts the task back, until the engine has listed its images anew. False: it was not started.
pub fn put_back(queue: &mut Queue, entry: &Entry, services: &mut Services) -> store::Result<bool> {
    want(services);
    let now = services.now.unix_ms;
    let until = now + MISSING_IMAGE_PAUSE_MS as i64;
    queue.push(&mut services.store, entry, Some(until), now)?;
    Ok(false)
}
