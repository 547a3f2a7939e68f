//! Settings as the command line gives them.

use zigcheck::config::commands::Invocation;
use zigcheck::config::flags::parse;
use zigcheck::config::settings::{Machine, Settings};

pub const MACHINE: Machine = Machine {
    cpus: 8,
    memory_bytes: 64 << 30,
};

/// The network for fetches of a test that says nothing about it: no engine of a test has one with rules.
pub const FETCH_NETWORK: (&str, &str) = ("ZIGCHECK_FETCH_NETWORK", "bridge");

/// What those flags ask for on that machine, with no other network for fetches in the environment.
pub fn settings_on(machine: Machine, flags: &[&str]) -> Result<Settings, String> {
    let args = flags.iter().map(|flag| flag.into());
    let (name, value) = FETCH_NETWORK;
    let look = |asked: &str| (asked == name).then(|| value.into());
    match parse(args, &look, machine)? {
        Invocation::Serve(settings) => Ok(*settings),
        other => panic!("{other:?} was asked for"),
    }
}

pub fn settings(flags: &[&str]) -> Settings {
    settings_on(MACHINE, flags).unwrap()
}
