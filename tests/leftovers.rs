//! What would be left, or not be noticed, if nobody came: the server sees to it by itself.

#[path = "common/core.rs"]
mod core;

use crate::core::{Inside, Memory};
use zigcheck::config::SWEEP_AGAIN_MS;

/// Exit code 1 may be that of a client that came to no container: whose it is, nobody has seen.
#[test]
fn a_fetch_that_ended_oddly_removes_nothing_of_anothers() {
    let memory = Memory::new("left-foreign");
    let mut inside = Inside::open("left-foreign", memory.open(), 1);
    inside.submit("a");
    let first = "zigcheck-source-1-1";
    inside.engine.belongs_to(first, "another");
    inside.engine.client_ends(first, 1, "some error\n");
    inside.pass_step_by_step(2 * SWEEP_AGAIN_MS);
    assert_eq!(inside.engine.all(), [first, "zigcheck-source-1-2"]);
}
