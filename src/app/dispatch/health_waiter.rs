//! A request for the health that waits for the engine.

use crate::app::web::answer::{Answer, Error};
use crate::base::slab::Key;
use crate::interface::message::Response;

pub(crate) struct HealthWaiter {
    pub(crate) conn: Key,
    /// What takes the place of a 200.
    pub(crate) precondition: Result<(), Response>,
}

impl HealthWaiter {
    pub(crate) fn answer(self, health: Response) -> Result<Answer, Error> {
        if health.status == 200 {
            self.precondition?;
        }
        Ok(health.into())
    }
}
