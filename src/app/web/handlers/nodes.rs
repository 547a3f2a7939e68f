//! Answers about the nodes of the cluster that builds run on.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::app::domain::task::Task;
use crate::app::engine::nodes::{Node, NodeState};
use crate::app::state::State;
use crate::app::store::{builds, store};
use crate::app::web::answer::Error;
use crate::interface::message::Response;

/// All nodes with what runs there, as of the cluster's last answer. A server without a cluster has none.
pub fn list(state: &State) -> store::Result<Response> {
    let running = running(state)?;
    let listing = state.services.engine.listing();
    let nodes = listing.map_or(&[][..], |listing| &listing.nodes);
    let nodes = nodes.iter().map(|node| node_json(node, &running));
    let value = json!({ "nodes": nodes.collect::<Vec<Value>>() });
    Ok(Response::json(200, &value).with("Cache-Control", "no-store"))
}

/// The ids of the builds that run on each node.
fn running(state: &State) -> store::Result<HashMap<String, Vec<i64>>> {
    let mut running: HashMap<String, Vec<i64>> = HashMap::new();
    let view = state.scheduler.view(&state.services.store);
    for task in view.running_tasks()? {
        let Task::Build(build) = task.task else {
            continue;
        };
        let row = builds::by_id(&state.services.store, build)?;
        if let Some(node) = row.and_then(|row| row.node) {
            running.entry(node).or_default().push(build.0);
        }
    }
    Ok(running)
}

fn node_json(node: &Node, running: &HashMap<String, Vec<i64>>) -> Value {
    json!({
        "name": node.name,
        "state": node.state.as_str(),
        "reason": Some(&node.reason).filter(|reason| !reason.is_empty()),
        "slots": node.slots,
        "slots_used": node.taken,
        "images": node.tags,
        "builds": running.get(&node.name).map_or(&[][..], Vec::as_slice),
    })
}

/// The nodes in numbers; none without a cluster.
pub fn counts_json(state: &State) -> Option<Value> {
    let listing = state.services.engine.listing()?;
    let mut value = json!({ "slots": listing.slots(), "slots_used": listing.taken() });
    for state in NodeState::ALL {
        value[state.as_str()] = json!(listing.count(state));
    }
    Some(value)
}

/// The node of that name, as of the cluster's last answer.
pub fn find<'s>(state: &'s State, name: &str) -> Result<&'s Node, Error> {
    let Some(listing) = state.services.engine.listing() else {
        let sentence = "builds run on no cluster: --launcher is not slurm";
        return Err(Response::error(409, sentence).into());
    };
    let mut nodes = listing.nodes.iter();
    let found = nodes.find(|node| node.name == name);
    found.ok_or_else(|| Response::error(404, "the cluster has no such node").into())
}

/// The answer once a node is drained or resumed.
pub fn changed(name: &str, drained: bool) -> Response {
    Response::json(200, &json!({ "name": name, "drained": drained }))
}
