//! A server on a cluster: its slots, why builds wait, and its nodes as people and programs see them.

use serde_json::{Value, json};
use zigcheck::config::launcher::Launcher;

use crate::common::core::{Inside, TOKEN};
use crate::common::engine::slurm::{NodeState, Slurm};
use crate::common::pack;
use crate::common::rows::in_memory;

/// A server on a cluster of two nodes with one slot each.
fn inside(name: &str) -> Inside {
    let store = in_memory();
    Inside::with(name, store, |settings| {
        settings.launcher = Launcher::Slurm;
        settings.max_builds = 64;
    })
}

fn slurm(inside: &mut Inside) -> &mut Slurm {
    inside.engine.slurm.as_mut().expect("it was asked")
}

/// The same, with both nodes drained.
fn drained(name: &str) -> Inside {
    let mut inside = inside(name);
    for node in &mut slurm(&mut inside).nodes {
        node.state = NodeState::Drained;
    }
    listed(&mut inside);
    inside
}

fn slots(inside: &mut Inside) -> Value {
    inside.json("/api/queue")["slots"].clone()
}

/// The nodes are asked anew.
fn listed(inside: &mut Inside) {
    inside.pass(6_000);
    inside.json("/api/health");
}

#[test]
fn slots_follow_the_nodes() {
    let mut inside = inside("nodes-slots");
    assert_eq!(slots(&mut inside), 3, "those of the nodes, and a spare one");
    slurm(&mut inside).nodes[0].state = NodeState::Down;
    listed(&mut inside);
    assert_eq!(slots(&mut inside), 2);
    let health = inside.json("/api/health");
    let nodes = json!({"slots": 1, "slots_used": 0, "idle": 1, "busy": 0, "drained": 0, "down": 1});
    assert_eq!(health["nodes"], nodes);
    assert!(inside.curl("/queue").contains("1 of 2 nodes in service"));
    let metrics = inside.curl("/metrics");
    assert!(
        metrics.contains("zigcheck_nodes{state=\"down\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("zigcheck_node_slots 1\n"), "{metrics}");
    // The last one goes too.
    slurm(&mut inside).nodes[1].state = NodeState::Down;
    listed(&mut inside);
    let health = inside.request("GET", "/api/health", &[], b"");
    assert_eq!(health.status, 503);
    slurm(&mut inside).nodes[1].state = NodeState::Serving;
    listed(&mut inside);
    assert_eq!(inside.json("/api/health")["status"], "healthy");
}

#[test]
fn a_build_that_waits_for_a_machine_says_so_and_is_built_on_a_node_that_comes() {
    let mut inside = drained("nodes-wait");
    assert_eq!(slots(&mut inside), 1, "one build waits at the cluster");
    let [first, second] = ["one", "two"].map(|words| {
        let tree = pack::tar(&[pack::file("build.zig", words.as_bytes())]);
        inside.upload(&tree)
    });
    inside.pass(3_000);
    let queue = inside.json("/api/queue");
    assert_eq!(queue["running"], json!([]), "{queue}");
    let waits: Vec<(&Value, &str)> = queue["waiting"]
        .as_array()
        .unwrap()
        .iter()
        .map(|build| (&build["id"], build["reason"].as_str().unwrap()))
        .collect();
    let machine = "its turn has come; it waits for a machine: Resources";
    let turn = "a person asked: it is next";
    assert_eq!(waits, [(&first["id"], machine), (&second["id"], turn)]);
    assert_eq!(queue["total"], 2);
    slurm(&mut inside).nodes[1].state = NodeState::Serving;
    inside.pass(3_000);
    assert_eq!(inside.build(1)["node"], "n2");
    assert!(inside.curl("/queue").contains("building on n2"));
    let (_, nodes) = inside.admin_json("GET", "/admin/nodes", &Value::Null);
    assert_eq!(nodes["nodes"][1]["builds"], json!([1]), "{nodes}");
    inside.build_succeeds("zigcheck-1-1");
    assert_eq!(inside.build(1)["build_status"], "success");
}

#[test]
fn a_server_that_drains_takes_back_what_waits_for_a_machine() {
    let mut inside = drained("nodes-server-drains");
    inside.upload(&pack::tar(&[pack::file("build.zig", b"one")]));
    inside.pass(3_000);
    assert_eq!(slurm(&mut inside).allocations.len(), 1);
    let (status, _) = inside.admin_json("POST", "/admin/drain", &Value::Null);
    assert_eq!(status, 200);
    inside.pass_step_by_step(20_000);
    assert_eq!(slurm(&mut inside).allocations.len(), 0);
    inside.is(1, "queued", "pending", None, 2);
    assert!(inside.stopped());
    // A server that does not end yet can go on.
    inside.admin_json("POST", "/admin/undrain", &Value::Null);
    slurm(&mut inside).nodes[1].state = NodeState::Serving;
    inside.pass_step_by_step(20_000);
    assert_eq!(inside.build(1)["node"], "n2");
}

#[test]
fn an_admin_drains_and_resumes_a_node() {
    let mut inside = inside("nodes-drain");
    let drain = json!({"drained": true, "reason": "a new disk"});
    let (status, answer) = inside.admin_json("PATCH", "/admin/nodes/n1", &drain);
    assert_eq!(
        (status, answer),
        (200, json!({"name": "n1", "drained": true}))
    );
    let (_, nodes) = inside.admin_json("GET", "/admin/nodes", &Value::Null);
    assert_eq!(nodes["nodes"][0]["state"], "drained", "{nodes}");
    assert_eq!(nodes["nodes"][0]["reason"], "a new disk");
    assert_eq!(slots(&mut inside), 2);
    let resume = json!({"drained": false});
    for _ in 0..2 {
        let (status, _) = inside.admin_json("PATCH", "/admin/nodes/n1", &resume);
        assert_eq!(status, 200);
        assert_eq!(slots(&mut inside), 3);
    }
    let (_, audit) = inside.admin_json("GET", "/admin/audit", &Value::Null);
    assert!(audit.to_string().contains("a new disk"), "{audit}");
}

#[test]
fn a_node_that_is_not_there_or_a_bad_reason_is_refused() {
    let mut inside = inside("nodes-refused");
    for (node, body, status, sentence) in [
        (
            "n9",
            json!({"drained": true}),
            404,
            "the cluster has no such node",
        ),
        ("n1", json!({}), 400, "drained: is missing"),
        (
            "n1",
            json!({"drained": 1}),
            400,
            "drained: must be true or false",
        ),
        (
            "n1",
            json!({"drained": true, "reason": "zigcheck: mine"}),
            400,
            "reason: must be one line, and not begin with zigcheck:",
        ),
        (
            "n1",
            json!({"drained": true, "reason": "two\nlines"}),
            400,
            "reason: must be one line, and not begin with zigcheck:",
        ),
        (
            "n1",
            json!({"drained": false, "reason": "x"}),
            400,
            "reason: only with \"drained\": true",
        ),
    ] {
        let answer = inside.admin_json("PATCH", &format!("/admin/nodes/{node}"), &body);
        assert_eq!(answer, (status, json!({"error": sentence})));
    }
    // slurmctld went a moment ago.
    slurm(&mut inside).up = false;
    let (status, answer) = inside.admin_json("PATCH", "/admin/nodes/n1", &json!({"drained": true}));
    let sentence = "the cluster: slurm_load_jobs error: Unable to contact slurm controller";
    assert_eq!((status, &answer["error"]), (503, &json!(sentence)));
    let mut alone = Inside::open("nodes-none", in_memory(), 1);
    let (status, answer) = alone.admin_json("PATCH", "/admin/nodes/n1", &json!({"drained": true}));
    let sentence = "builds run on no cluster: --launcher is not slurm";
    assert_eq!((status, &answer["error"]), (409, &json!(sentence)));
    let (_, nodes) = alone.admin_json("GET", "/admin/nodes", &Value::Null);
    assert_eq!(nodes, json!({"nodes": []}));
    let other = alone.request("GET", "/admin/nodes", &[], b"");
    assert_eq!(other.status, 401, "{TOKEN} is needed");
}
