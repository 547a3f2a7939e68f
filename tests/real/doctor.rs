//! The doctor on the real engine.

use std::process::Command;

use serde_json::Value;

use crate::common::server::scratch;
use crate::exclusive::shared;

#[test]
fn a_real_build_is_found_well() {
    let _machine = shared();
    let data = scratch("doctor-real");
    std::fs::create_dir_all(&data).expect("a directory");
    // Nothing listens there.
    let listen = format!("unix:{}", data.join("socket").display());
    let flags = ["--zig-versions", "0.16.0", "--fetch-network", "bridge"];
    let output = Command::new(env!("CARGO_BIN_EXE_zigcheck"))
        .args(["doctor", "--json", "--listen", &listen, "--data"])
        .arg(&data)
        .args(flags)
        .output()
        .expect("the binary is built");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |check: &str| {
        let findings = report["findings"].as_array().expect("a list");
        let found = findings.iter().find(|finding| finding["check"] == check);
        found
            .unwrap_or_else(|| panic!("no {check}: {report}"))
            .clone()
    };
    assert_ne!(of("engine")["status"], "fault", "{report}");
    let image = of("image 0.16.0");
    assert!(
        image["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("made ")),
        "{report}"
    );
    assert_eq!(of("build 0.16.0")["status"], "ok", "{report}");
    // Nothing of it is left.
    let left = Command::new("docker")
        .args(["ps", "-aq", "--filter", "label=zigcheck.data=doctor"])
        .output()
        .expect("docker is installed");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}
