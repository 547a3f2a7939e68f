//! Settings read from flags and an environment.

use crate::common::settings::MACHINE;
use zigcheck::config::commands::Invocation;
use zigcheck::config::flags::parse;
use zigcheck::config::settings::Settings;

pub const FLAGS: [&str; 23] = [
    "listen",
    "data",
    "docker",
    "launcher",
    "zig-versions",
    "max-builds",
    "memory",
    "cpus",
    "build-timeout",
    "silence-timeout",
    "fetch-network",
    "allow-hosts",
    "trusted-proxies",
    "submit-rate",
    "upload-rate",
    "commit-search",
    "targets",
    "keep-caches",
    "disk-floor",
    "admin-socket",
    "admin-token-file",
    "hook-secret-file",
    "log-level",
];

pub fn with_env(flags: &[&str], env: &[(&str, &str)]) -> Result<Settings, String> {
    let look = |name: &str| {
        let found = env.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.to_string())
    };
    match parse(flags.iter().map(|flag| flag.into()), &look, MACHINE)? {
        Invocation::Serve(settings) => Ok(*settings),
        other => panic!("{other:?} was asked for"),
    }
}

pub fn asked(flags: &[&str]) -> Result<Invocation, String> {
    parse(flags.iter().map(|flag| flag.into()), &|_| None, MACHINE)
}
