//! The values of settings: each function reads one kind. An error says what is allowed.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use crate::config::launcher::{Launcher, SshHost};
use crate::config::limits::{
    CONTAINER_CPUS, CONTAINER_MEMORY_BYTES, DISK_FLOOR_LIMIT_BYTES, MAX_BUILDS,
    RATE_LIMIT_PER_HOUR, SOCKET_PATH_LIMIT_BYTES, TIMEOUT_S, VERSION_LIMIT_CHARS,
};
use crate::config::proxies::Proxies;
use crate::config::settings::{Hosts, Listen, LogLevel};

/// `images/versions`: the toolchains of the images, newest first.
const IMAGE_VERSIONS: &str = include_str!("../../images/versions");

pub fn text(value: &str) -> Result<String, String> {
    match value {
        "" => Err("not empty".to_string()),
        _ => Ok(value.to_string()),
    }
}

pub fn path(value: &str) -> Result<PathBuf, String> {
    text(value).map(PathBuf::from)
}

pub fn token_file(value: &str) -> Result<Option<PathBuf>, String> {
    path(value).map(Some)
}

/// The path of the admin socket; none for `off`.
pub fn admin_socket(value: &str) -> Result<Option<PathBuf>, String> {
    match value {
        "off" => Ok(None),
        _ if (1..=SOCKET_PATH_LIMIT_BYTES).contains(&value.len()) => Ok(Some(value.into())),
        _ => Err(format!(
            "off, or a path of at most {SOCKET_PATH_LIMIT_BYTES} bytes"
        )),
    }
}

pub fn listen(value: &str) -> Result<Listen, String> {
    let listen = match value.strip_prefix("unix:") {
        Some(path) => Some(path)
            .filter(|path| !path.is_empty())
            .map(|path| Listen::Unix(PathBuf::from(path))),
        None => value.parse().map(Listen::Tcp).ok(),
    };
    listen.ok_or_else(|| "ADDRESS:PORT or unix:PATH".to_string())
}

/// True for a text that can be an image's tag and a directory's name.
pub fn is_version(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    text.len() <= VERSION_LIMIT_CHARS
        && text.bytes().all(plain)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

pub fn image_versions() -> Vec<String> {
    let lines = IMAGE_VERSIONS.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names.map(str::to_string).collect()
}

pub fn versions(value: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for name in value.split(',').map(str::trim) {
        if !is_version(name) || names.iter().any(|known| known == name) {
            return Err("versions such as 0.16.0,0.15.2, each once".to_string());
        }
        names.push(name.to_string());
    }
    Ok(names)
}

pub fn launcher(value: &str) -> Result<Launcher, String> {
    let launcher = match (value, value.strip_prefix("ssh:")) {
        (_, Some(host)) => SshHost::read(host).map(Launcher::Ssh),
        ("local", None) => Some(Launcher::Local),
        ("slurm", None) => Some(Launcher::Slurm),
        _ => None,
    };
    launcher.ok_or_else(|| "local, slurm or ssh:[USER@]HOST[:PORT]".to_string())
}

pub fn switch(value: &str) -> Result<bool, String> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("on or off".to_string()),
    }
}

pub fn max_builds(value: &str) -> Result<usize, String> {
    within(value, MAX_BUILDS, "a whole number")
}

pub fn memory_bytes(value: &str) -> Result<u64, String> {
    let bytes = size_bytes(value).filter(|bytes| CONTAINER_MEMORY_BYTES.contains(bytes));
    let least = CONTAINER_MEMORY_BYTES.start() >> 20;
    bytes.ok_or_else(|| format!("a size such as 512m or 2g, from {least}m up"))
}

pub fn disk_floor_bytes(value: &str) -> Result<Option<u64>, String> {
    match size_bytes(value) {
        Some(bytes) if bytes <= DISK_FLOOR_LIMIT_BYTES => Ok(Some(bytes)),
        _ => Err("a size such as 512m or 2g, or 0".to_string()),
    }
}

/// The bytes of `2g`, `512m`, `1048576` and the like.
fn size_bytes(value: &str) -> Option<u64> {
    let lower = value.to_ascii_lowercase();
    let units = [('b', 0), ('k', 10), ('m', 20), ('g', 30)];
    let with_unit = units.iter().find_map(|(unit, shift)| {
        let digits = lower.strip_suffix(*unit)?;
        Some((digits, *shift))
    });
    let (digits, shift) = with_unit.unwrap_or((&lower, 0));
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

pub fn cpus(value: &str) -> Result<f64, String> {
    let number = value.parse().ok().filter(|n| CONTAINER_CPUS.contains(n));
    number.ok_or_else(|| format!("a number from {} up", CONTAINER_CPUS.start()))
}

pub fn seconds_ms(value: &str) -> Result<u64, String> {
    within(value, TIMEOUT_S, "whole seconds").map(|seconds| seconds * 1_000)
}

pub fn rate(value: &str) -> Result<u64, String> {
    within(value, 0..=RATE_LIMIT_PER_HOUR, "a whole number")
}

/// A rate in MiB.
pub fn rate_bytes(value: &str) -> Result<u64, String> {
    rate(value).map(|mib| mib << 20)
}

fn within<T: FromStr + PartialOrd + std::fmt::Display>(
    value: &str,
    range: RangeInclusive<T>,
    kind: &str,
) -> Result<T, String> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{kind} from {} to {}", range.start(), range.end()))
}

pub fn log_level(value: &str) -> Result<LogLevel, String> {
    let level = value.parse().map(LogLevel);
    level.map_err(|_| "one of error, warn, info, debug".to_string())
}

pub fn proxies(value: &str) -> Result<Proxies, String> {
    Proxies::read(value).ok_or_else(|| {
        "addresses and networks such as 192.0.2.7,10.0.0.0/8, loopback or unix, with commas"
            .to_string()
    })
}

pub fn hosts(value: &str) -> Result<Hosts, String> {
    if value.trim() == "*" {
        return Ok(Hosts::Any);
    }
    // A host is allowed with all its ports; only an IPv6 address, in brackets, holds colons.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let v6 = |name: &str| name.starts_with('[') && name.ends_with(']');
    let is_host = |name: &str| !name.is_empty() && (v6(name) || name.bytes().all(plain));
    let names: Vec<String> = value.split(',').map(|n| n.trim().to_string()).collect();
    match names.iter().all(|name| is_host(name)) {
        true => Ok(Hosts::These(names)),
        false => Err("host names without ports, with commas, or *".to_string()),
    }
}
