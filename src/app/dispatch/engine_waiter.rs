//! A request that waits for the answer of the engine, or of the cluster.

use crate::app::state::State;
use crate::app::web::answer::{Answer, Error};
use crate::app::web::handlers::{health, nodes};
use crate::base::slab::Key;
use crate::interface::message::Response;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked {
    Health,
    Nodes,
}

pub(crate) struct EngineWaiter {
    pub(crate) conn: Key,
    pub(crate) asked: Asked,
    /// What takes the place of a 200.
    pub(crate) precondition: Result<(), Response>,
}

impl EngineWaiter {
    pub(crate) fn answer(self, state: &State) -> Result<Answer, Error> {
        let response = match self.asked {
            Asked::Health => health::health(state),
            Asked::Nodes => nodes::list(state)?,
        };
        if response.status == 200 {
            self.precondition?;
        }
        Ok(response.into())
    }
}
