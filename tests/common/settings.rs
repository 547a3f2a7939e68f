//! Settings as the command line gives them.

use zigcheck::config::flags::{Invocation, parse};
use zigcheck::config::settings::{Machine, Settings};

pub const MACHINE: Machine = Machine {
    cpus: 8,
    memory_bytes: 64 << 30,
};

/// What those flags ask for on that machine, with nothing in the environment.
pub fn settings_on(machine: Machine, flags: &[&str]) -> Result<Settings, String> {
    let args = flags.iter().map(|flag| flag.into());
    match parse(args, &|_| None, machine)? {
        Invocation::Serve(settings) => Ok(*settings),
        other => panic!("{other:?} was asked for"),
    }
}

pub fn settings(flags: &[&str]) -> Settings {
    settings_on(MACHINE, flags).unwrap()
}
