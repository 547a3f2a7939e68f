//! Which engines may run what strangers send. Needs docker, and fails without.

use std::process::Command;

use serde_json::{Value, json};
use zigcheck::app::engine::capabilities::{Capabilities, read_capabilities};
use zigcheck::app::engine::kind::EngineKind;

/// What docker 20.10 says on Debian 12, as far as it matters.
fn docker() -> Value {
    json!({
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsQuota": true, "PidsLimit": true,
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default", "name=userns"],
    })
}

/// What podman 4 says, run by somebody without rights.
fn podman() -> Value {
    json!({"host": {
        "cgroupControllers": ["cpu", "memory", "pids"],
        "security": {"rootless": true, "seccompEnabled": true, "selinuxEnabled": false},
    }})
}

fn of(info: &Value) -> Capabilities {
    read_capabilities(&format!("{info}\n")).unwrap()
}

/// The same with another value there.
fn with(mut info: Value, at: &str, value: Value) -> Value {
    *info.pointer_mut(at).expect("a place") = value;
    info
}

#[test]
fn whole_engines_lack_nothing() {
    for info in [docker(), podman()] {
        let found = of(&info);
        assert!(found.missing.is_empty(), "{info}");
        assert!(found.recommended.is_empty(), "{info}");
    }
    assert_eq!(of(&docker()).kind, EngineKind::Docker);
    assert_eq!(of(&podman()).kind, EngineKind::Podman);
    let rootless = with(docker(), "/SecurityOptions/2", json!("name=rootless"));
    assert_eq!(of(&rootless), Capabilities::default());
    let old = with(docker(), "/SecurityOptions/1", json!("seccomp"));
    assert_eq!(of(&old), Capabilities::default());
}

#[test]
fn what_is_missing_is_named() {
    let options = "/SecurityOptions/1";
    let security = "/host/security/seccompEnabled";
    for (info, missing) in [
        (with(docker(), options, json!("name=selinux")), "seccomp"),
        (
            with(docker(), options, json!("name=seccomp,profile=unconfined")),
            "seccomp",
        ),
        (with(docker(), "/SecurityOptions", Value::Null), "seccomp"),
        (with(docker(), "/MemoryLimit", json!(false)), "memory limit"),
        (with(docker(), "/PidsLimit", Value::Null), "process limit"),
        (with(podman(), security, json!(false)), "seccomp"),
        (
            with(podman(), "/host/cgroupControllers/2", json!("io")),
            "process limit",
        ),
    ] {
        assert_eq!(of(&info).missing, [missing], "{info}");
    }
    for (info, recommended) in [
        (
            with(docker(), "/SecurityOptions/2", json!("name=cgroupns")),
            "user namespaces",
        ),
        (with(docker(), "/SwapLimit", json!(false)), "swap limit"),
        (
            with(docker(), "/CpuCfsQuota", json!("yes")),
            "processor limit",
        ),
        (
            with(podman(), "/host/security/rootless", json!(false)),
            "user namespaces",
        ),
    ] {
        let found = of(&info);
        assert_eq!(
            (found.missing.len(), found.recommended),
            (0, vec![recommended]),
            "{info}"
        );
    }
}

#[test]
fn an_answer_that_is_none_is_no_fitness() {
    for answer in ["", "permission denied", "{"] {
        let why = read_capabilities(answer).unwrap_err();
        assert!(why.starts_with("its information cannot be read: "), "{why}");
    }
    for nothing in ["{}", "[]", "null", "{\"host\": 7}"] {
        let found = read_capabilities(nothing).unwrap();
        assert_eq!(
            (found.missing.len(), found.recommended.len()),
            (3, 3),
            "{nothing}"
        );
    }
}

/// What it says is read as it is, and not only as we think it would be.
#[test]
fn the_engine_of_this_machine_may_run_anything() {
    let output = Command::new("docker")
        .args(["info", "--format={{json .}}"])
        .output();
    let output = output.expect("docker is installed");
    assert!(output.status.success(), "{output:?}");
    let found = read_capabilities(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert!(found.missing.is_empty(), "{found:?}");
}

/// Some clients of docker exit with 0 where there is no engine: that is no engine without capabilities, which would end
/// the server.
#[test]
fn the_error_of_a_client_is_no_information() {
    let answer = r#"{"ID": "", "MemoryLimit": false, "ServerErrors": ["Cannot connect to the Docker daemon"]}"#;
    let error = read_capabilities(answer).unwrap_err();
    assert_eq!(error, "Cannot connect to the Docker daemon");
}
