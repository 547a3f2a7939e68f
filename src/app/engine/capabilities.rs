//! Whether an engine may run what strangers send, by what it says of itself: `docker info`, and the same of
//! podman, as JSON.

use serde_json::Value;

/// What an engine has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Without these nothing is run.
    pub missing: Vec<&'static str>,
    /// With these it would be safer.
    pub recommended: Vec<&'static str>,
}

/// `no this, no that`.
pub fn listed(missing: &[&str]) -> String {
    format!("no {}", missing.join(", no "))
}

/// Reads an engine's answer; an error says what is wrong with it.
pub fn read_capabilities(answer: &str) -> Result<Capabilities, String> {
    let info: Value = serde_json::from_str(answer)
        .map_err(|error| format!("what it says of itself cannot be read: {error}"))?;
    let has = match info.get("host") {
        Some(host) => Features::of_podman(host),
        None => Features::of_docker(&info),
    };
    let missing = |list: &[(bool, &'static str)]| {
        let missing = list.iter().filter(|(there, _)| !there);
        missing.map(|(_, what)| *what).collect()
    };
    Ok(Capabilities {
        missing: missing(&[
            (has.seccomp, "seccomp"),
            (has.memory, "memory limit"),
            (has.pids, "process limit"),
        ]),
        recommended: missing(&[
            (has.user_namespaces, "user namespaces"),
            (has.swap, "swap limit"),
            (has.cpu, "processor limit"),
        ]),
    })
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

    /// It does not tell of swap, and has the limits of the controllers that are given to it.
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
