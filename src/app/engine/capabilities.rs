//! Whether an engine is fit to run untrusted code, by the JSON that `docker info` (or podman's) prints.

use serde_json::Value;

use crate::app::engine::kind::EngineKind;

/// What an engine is, and the capabilities that it lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub kind: EngineKind,
    /// Required: without these nothing runs.
    pub missing: Vec<&'static str>,
    /// Recommended: builds run without these, less safely.
    pub recommended: Vec<&'static str>,
}

/// `no this, no that`.
pub fn list_missing(missing: &[&str]) -> String {
    format!("no {}", missing.join(", no "))
}

/// Reads the answer of an engine; the error says what is wrong with the answer.
pub fn read_capabilities(answer: &str) -> Result<Capabilities, String> {
    let info: Value = serde_json::from_str(answer)
        .map_err(|error| format!("its information cannot be read: {error}"))?;
    if let Some(error) = client_error(&info) {
        return Err(error);
    }
    let (kind, features) = match info.get("host") {
        Some(host) => (EngineKind::Podman, Features::of_podman(host)),
        None => (EngineKind::Docker, Features::of_docker(&info)),
    };
    let missing = |list: &[(bool, &'static str)]| {
        let missing = list.iter().filter(|(present, _)| !present);
        missing.map(|(_, name)| *name).collect()
    };
    Ok(Capabilities {
        kind,
        missing: missing(&[
            (features.seccomp, "seccomp"),
            (features.memory, "memory limit"),
            (features.pids, "process limit"),
        ]),
        recommended: missing(&[
            (features.user_namespaces, "user namespaces"),
            (features.swap, "swap limit"),
            (features.cpu, "processor limit"),
        ]),
    })
}

/// Why the client of docker got no information: some versions print that in its place, and exit with 0.
fn client_error(info: &Value) -> Option<String> {
    info["ServerErrors"][0].as_str().map(str::to_string)
}

/// The version of an engine, by the same answer.
pub fn read_version(answer: &str) -> Result<String, String> {
    let info: Value = serde_json::from_str(answer).unwrap_or_default();
    if let Some(error) = client_error(&info) {
        return Err(error);
    }
    let version = info["ServerVersion"].as_str();
    let version = version.or(info["version"]["Version"].as_str());
    Ok(version.unwrap_or("of an unknown version").to_string())
}

struct Features {
    seccomp: bool,
    user_namespaces: bool,
    memory: bool,
    swap: bool,
    pids: bool,
    cpu: bool,
}

impl Features {
    fn of_docker(info: &Value) -> Features {
        let options = info["SecurityOptions"].as_array();
        let options = options.into_iter().flatten().filter_map(Value::as_str);
        // Each is `name=seccomp,profile=default`, or the name alone.
        let options: Vec<Vec<&str>> = options.map(|option| option.split(',').collect()).collect();
        let find = |name: &str| {
            let named = format!("name={name}");
            let mut found = options.iter();
            found.find(|words| words[0] == named || words[0] == name)
        };
        let flag = |name: &str| info[name].as_bool() == Some(true);
        Features {
            seccomp: find("seccomp").is_some_and(|words| !words.contains(&"profile=unconfined")),
            user_namespaces: find("userns").is_some() || find("rootless").is_some(),
            memory: flag("MemoryLimit"),
            swap: flag("SwapLimit"),
            pids: flag("PidsLimit"),
            cpu: flag("CpuCfsQuota"),
        }
    }

    /// Podman has the limits of the cgroup controllers that it was delegated; it does not report swap.
    fn of_podman(host: &Value) -> Features {
        let controllers = host["cgroupControllers"].as_array();
        let controllers: Vec<&str> = controllers
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let security = &host["security"];
        let flag = |name: &str| security[name].as_bool() == Some(true);
        Features {
            seccomp: flag("seccompEnabled"),
            user_namespaces: flag("rootless"),
            memory: controllers.contains(&"memory"),
            swap: controllers.contains(&"memory"),
            pids: controllers.contains(&"pids"),
            cpu: controllers.contains(&"cpu"),
        }
    }
}
