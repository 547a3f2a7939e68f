//! A package that stops to work under a Zig version, or begins to.

use crate::app::domain::verdict::{Statuses, str_enum};

str_enum! {
    /// What a verdict changes for a package under one version, beside the verdict before it.
    Transition {
        NewlyBroken = "newly_broken",
        NewlyFixed = "newly_fixed",
    }
}

impl Transition {
    /// None where both verdicts say the same of the package, or one says nothing.
    pub fn between(old: Statuses, new: Statuses) -> Option<Transition> {
        match (old.works()?, new.works()?) {
            (true, false) => Some(Transition::NewlyBroken),
            (false, true) => Some(Transition::NewlyFixed),
            (true, true) | (false, false) => None,
        }
    }
}
