//! The command line and the environment become settings, or one line that says what is wrong.

use std::path::PathBuf;

use crate::config::limits::DATABASE_LIMIT_BYTES;
use crate::config::proxies::Proxies;
use crate::config::settings::{Hosts, Listen, Machine, Settings};

/// What the command line asked for.
#[derive(Debug, PartialEq)]
pub enum Asked {
    Serve(Box<Settings>),
    Help,
    Version,
}

struct Flag {
    name: &'static str,
    default: &'static str,
    meaning: &'static str,
}

const fn flag(name: &'static str, default: &'static str, meaning: &'static str) -> Flag {
    Flag {
        name,
        default,
        meaning,
    }
}

const ALLOW_HOSTS: &str = "github.com,gitlab.com,codeberg.org,git.sr.ht";

const FLAGS: [Flag; 17] = [
    flag(
        "listen",
        "127.0.0.1:3000",
        "address, or unix:PATH; a socket from systemd wins",
    ),
    flag(
        "data",
        "$STATE_DIRECTORY or ./data",
        "database, logs, sources; created if missing",
    ),
    flag(
        "docker",
        "docker",
        "the command that speaks docker's language",
    ),
    flag(
        "zig-versions",
        "those of images/versions",
        "toolchains to check under, with commas",
    ),
    flag(
        "max-builds",
        "4, fewer where memory holds fewer",
        "containers at once",
    ),
    flag("memory", "2g", "memory of each container (b, k, m, g)"),
    flag("cpus", "2", "processors of each container"),
    flag(
        "build-timeout",
        "1200",
        "seconds for one build, its tests included",
    ),
    flag("silence-timeout", "300", "seconds without a byte of output"),
    flag(
        "fetch-network",
        "bridge",
        "docker network of fetch containers",
    ),
    flag(
        "allow-hosts",
        ALLOW_HOSTS,
        "hosts that URLs may name; * for any",
    ),
    flag(
        "trusted-proxies",
        "none",
        "addresses, networks, loopback, unix: whose X-Forwarded-For is taken",
    ),
    flag(
        "submit-rate",
        "120",
        "submissions of one address in an hour; 0 for any number",
    ),
    flag(
        "upload-rate",
        "1024",
        "MiB of uploads of one address in an hour; 0 for any number",
    ),
    flag(
        "disk-floor",
        "1g, at most 5 % of the disk",
        "free space below which nothing new begins",
    ),
    flag(
        "admin-token-file",
        "none",
        "file with the bearer token of admin calls; without it they answer 403",
    ),
    flag(
        "log-level",
        "info",
        "error, warn, info or debug, on standard error",
    ),
];

/// `images/versions`: the toolchains the images are made of, newest first.
const VERSIONS: &str = include_str!("../../images/versions");

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "zigcheck: builds and tests Zig packages under several Zig versions, on one thread\n\n\
         Usage: zigcheck [--FLAG VALUE]...\n\n",
    );
    for flag in &FLAGS {
        let name = format!("--{} VALUE", flag.name);
        text += &format!("  {name:<24} {} [{}]\n", flag.meaning, flag.default);
    }
    text += "  --help, --version\n\n\
             Each flag has an environment twin: --max-builds is ZIGCHECK_MAX_BUILDS.\n";
    text
}

/// What `args` (without the program's name) and the environment ask for, or one line that names
/// the flag, the value and what is allowed.
pub fn parse(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    env: &dyn Fn(&str) -> Option<String>,
    machine: Machine,
) -> Result<Asked, String> {
    let mut given: Vec<(&'static str, String)> = Vec::new();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Asked::Help),
            lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => return Ok(Asked::Version),
            lexopt::Arg::Long(name) => {
                let known = FLAGS.iter().find(|flag| flag.name == name);
                let known = known.ok_or_else(|| format!("unknown flag --{name}: see --help"))?;
                let value = parser.value().map_err(|e| e.to_string())?;
                let value = value.into_string();
                let value = value.map_err(|v| format!("--{}: {v:?} is not UTF-8", known.name))?;
                given.push((known.name, value));
            }
            other => return Err(format!("{}: see --help", other.unexpected())),
        }
    }
    let value = |name: &str| -> Option<String> {
        let flag = given.iter().rev().find(|(known, _)| *known == name);
        let twin = format!("ZIGCHECK_{}", name.to_uppercase().replace('-', "_"));
        flag.map(|(_, value)| value.clone())
            .or_else(|| env(&twin).filter(|value| !value.is_empty()))
    };
    settings(&value, env, machine).map(|settings| Asked::Serve(Box::new(settings)))
}

fn settings(
    value: &dyn Fn(&str) -> Option<String>,
    env: &dyn Fn(&str) -> Option<String>,
    machine: Machine,
) -> Result<Settings, String> {
    let or = |name: &str, default: &str| value(name).unwrap_or_else(|| default.to_string());
    let data = value("data")
        .or_else(|| env("STATE_DIRECTORY").filter(|d| !d.is_empty()))
        .unwrap_or_else(|| "data".to_string());
    let data = filled("data", data)?;
    let memory_bytes = memory(&or("memory", "2g"))?;
    Ok(Settings {
        listen: listen(&or("listen", "127.0.0.1:3000"))?,
        data: PathBuf::from(data),
        docker: filled("docker", or("docker", "docker"))?,
        zig_versions: versions(value("zig-versions"))?,
        max_builds: max_builds(value("max-builds"), memory_bytes, machine)?,
        memory_bytes,
        cpus: cpus(&or("cpus", "2"), machine)?,
        build_timeout_ms: seconds("build-timeout", &or("build-timeout", "1200"))?,
        silence_timeout_ms: seconds("silence-timeout", &or("silence-timeout", "300"))?,
        fetch_network: filled("fetch-network", or("fetch-network", "bridge"))?,
        allow_hosts: hosts(&or("allow-hosts", ALLOW_HOSTS))?,
        trusted_proxies: proxies(value("trusted-proxies"))?,
        submit_rate: rate("submit-rate", &or("submit-rate", "120"))?,
        upload_rate_bytes: rate("upload-rate", &or("upload-rate", "1024"))? << 20,
        disk_floor_bytes: match value("disk-floor") {
            Some(size) => Some(disk_floor(&size)?),
            None => None,
        },
        database_limit_bytes: DATABASE_LIMIT_BYTES,
        admin_token_file: match value("admin-token-file") {
            Some(path) => Some(PathBuf::from(filled("admin-token-file", path)?)),
            None => None,
        },
        admin_token: None,
        log_level: log_level(&or("log-level", "info"))?,
    })
}

fn bad(flag: &str, value: &str, allowed: &str) -> String {
    format!("--{flag} {value}: must be {allowed}")
}

fn filled(flag: &str, value: String) -> Result<String, String> {
    match value.is_empty() {
        true => Err(bad(flag, &value, "not empty")),
        false => Ok(value),
    }
}

fn listen(value: &str) -> Result<Listen, String> {
    if let Some(path) = value.strip_prefix("unix:") {
        if path.is_empty() {
            return Err(bad("listen", value, "ADDRESS:PORT or unix:PATH"));
        }
        return Ok(Listen::Unix(PathBuf::from(path)));
    }
    let address = value.parse().map(Listen::Tcp);
    address.map_err(|_| bad("listen", value, "ADDRESS:PORT or unix:PATH"))
}

/// True for what can be an image's tag and a directory's name.
pub fn is_version(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=64).contains(&text.len())
        && text.bytes().all(plain)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

fn versions(value: Option<String>) -> Result<Vec<String>, String> {
    let Some(value) = value else {
        let lines = VERSIONS.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let names = lines.filter_map(|line| line.split_whitespace().next());
        return Ok(names.map(str::to_string).collect());
    };
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if !is_version(name) || names.iter().any(|known| known == name) {
            let allowed = "versions such as 0.16.0,0.15.2, each once";
            return Err(bad("zig-versions", &value, allowed));
        }
        names.push(name.to_string());
    }
    Ok(names)
}

fn max_builds(value: Option<String>, memory: u64, machine: Machine) -> Result<usize, String> {
    let held = usize::try_from(machine.memory_bytes / memory).unwrap_or(usize::MAX);
    let Some(value) = value else {
        return Ok(held.clamp(1, 4));
    };
    let number = value.parse().ok().filter(|n| (1..=64).contains(n));
    number.ok_or_else(|| bad("max-builds", &value, "a whole number from 1 to 64"))
}

/// Docker takes no less than 6 MiB.
fn memory(value: &str) -> Result<u64, String> {
    let bytes = size(value).filter(|bytes| (6 << 20..=1 << 50).contains(bytes));
    bytes.ok_or_else(|| bad("memory", value, "a size such as 512m or 2g, from 6m up"))
}

fn disk_floor(value: &str) -> Result<u64, String> {
    let bytes = size(value).filter(|bytes| *bytes <= 1 << 50);
    bytes.ok_or_else(|| bad("disk-floor", value, "a size such as 512m or 2g, or 0"))
}

/// Bytes of `2g`, `512m`, `1048576` and the like.
fn size(value: &str) -> Option<u64> {
    let lower = value.to_ascii_lowercase();
    let (digits, unit) = match lower.strip_suffix(['b', 'k', 'm', 'g']) {
        Some(digits) => (digits, lower.as_bytes()[lower.len() - 1]),
        None => (lower.as_str(), b'b'),
    };
    let shift = match unit {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        _ => 0,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn cpus(value: &str, machine: Machine) -> Result<f64, String> {
    let number = value.parse::<f64>().ok();
    let number = number.filter(|n| (0.1..=1024.0).contains(n));
    let number = number.ok_or_else(|| bad("cpus", value, "a number from 0.1 up"))?;
    Ok(number.min(machine.cpus as f64))
}

fn seconds(flag: &str, value: &str) -> Result<u64, String> {
    let number = value.parse::<u64>().ok();
    let number = number.filter(|n| (1..=86_400).contains(n));
    let number = number.ok_or_else(|| bad(flag, value, "whole seconds from 1 to 86400"))?;
    Ok(number * 1_000)
}

fn log_level(value: &str) -> Result<log::LevelFilter, String> {
    let level = value.parse().ok();
    level.ok_or_else(|| bad("log-level", value, "one of error, warn, info, debug"))
}

fn rate(flag: &str, value: &str) -> Result<u64, String> {
    let number = value.parse().ok().filter(|n| *n <= 1_000_000);
    number.ok_or_else(|| bad(flag, value, "a whole number from 0 to 1000000"))
}

fn proxies(value: Option<String>) -> Result<Proxies, String> {
    let Some(value) = value else {
        return Ok(Proxies::default());
    };
    let allowed =
        "addresses and networks such as 192.0.2.7,10.0.0.0/8, loopback or unix, with commas";
    Proxies::read(&value).ok_or_else(|| bad("trusted-proxies", &value, allowed))
}

fn hosts(value: &str) -> Result<Hosts, String> {
    if value.trim() == "*" {
        return Ok(Hosts::Any);
    }
    // A port has no say in which host it is; only an IPv6 address, in brackets, holds colons.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let v6 = |name: &str| name.starts_with('[') && name.ends_with(']');
    let is_host = |name: &str| !name.is_empty() && (v6(name) || name.bytes().all(plain));
    let names: Vec<String> = value.split(',').map(|n| n.trim().to_string()).collect();
    if !names.iter().all(|name| is_host(name)) {
        let allowed = "host names without ports, with commas, or *";
        return Err(bad("allow-hosts", value, allowed));
    }
    Ok(Hosts::These(names))
}
