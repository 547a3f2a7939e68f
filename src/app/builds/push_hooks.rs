//! What a push leads to: the remote of its package is asked for its commit at once, however many hooks say so.

use crate::app::builds::scheduler::Scheduler;
use crate::app::builds::services::Services;
use crate::app::domain::repository::owner;
use crate::app::domain::task::{Entry, Priority, Task};
use crate::app::store::packages::PackageRow;
use crate::app::store::{queue, store};

/// Has the remote of a package asked for its commit, unless that is about to happen.
pub fn ask(
    scheduler: &mut Scheduler,
    package: &PackageRow,
    services: &mut Services,
) -> store::Result<()> {
    let task = Task::CheckRemote(package.id);
    if scheduler.running.contains_key(&task) {
        // Its answer may be from before the push.
        scheduler.rechecks.pushes.during_question.insert(package.id);
        return Ok(());
    }
    let waiting = queue::by_task(&services.store, task)?;
    if waiting.is_some_and(|waiting| waiting.entry.priority == Priority::Interactive) {
        return Ok(());
    }
    // The daily question would come later.
    scheduler.queue.remove(&mut services.store, task)?;
    let now = services.now;
    let pause_ms = scheduler.rechecks.pushes.next_ms(package.id, now.mono_ms) - now.mono_ms;
    let not_before = (pause_ms > 0).then(|| now.unix_ms.saturating_add_unsigned(pause_ms));
    let entry = Entry {
        task,
        priority: Priority::Interactive,
        tenant: owner(&package.url),
        popularity: package.popularity_score,
    };
    scheduler.push(&entry, not_before, services)
}
