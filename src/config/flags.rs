//! The command line and the environment: one row for each setting.

use std::ffi::OsString;
use std::path::PathBuf;

use DefaultValue::{Computed, Initial, Value};

use crate::config::limits::{DATABASE_LIMIT_BYTES, DEFAULT_MAX_BUILDS};
use crate::config::settings::{Machine, Settings};
use crate::config::values;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    Serve(Box<Settings>),
    /// Copies the data directory into a new one of `to`, of which only the newest `keep` stay; none: all of them.
    Backup {
        data: PathBuf,
        to: PathBuf,
        keep: Option<usize>,
    },
    /// Puts the backup `from` in place of the data directory.
    Restore {
        data: PathBuf,
        from: PathBuf,
    },
    Help,
    Version,
}

/// One setting. Its environment twin is `ZIGCHECK_` and the flag's name in upper case.
struct Setting {
    flag: &'static str,
    default: DefaultValue,
    meaning: &'static str,
    /// Reads a value and stores it. An error says what is allowed.
    apply: fn(&mut Settings, &str) -> Result<(), String>,
}

enum DefaultValue {
    /// A value, as the flag takes it.
    Value(&'static str),
    /// The help says this; the field keeps its initial value.
    Initial(&'static str),
    /// The help says this; the function stores the value once all other settings are applied.
    Computed(&'static str, fn(&mut Settings, &Surroundings)),
}

/// What defaults depend on.
struct Surroundings<'a> {
    machine: Machine,
    env: &'a dyn Fn(&str) -> Option<String>,
}

/// A row for each setting: its flag, default, help, and the field with the function that reads its value.
macro_rules! settings {
    ($($flag:literal, $default:expr, $meaning:literal, $field:ident = $read:expr;)+) => {
        [$(Setting {
            flag: $flag,
            default: $default,
            meaning: $meaning,
            apply: |settings, value| {
                settings.$field = $read(value)?;
                Ok(())
            },
        }),+]
    };
}

/// All settings, in the order of the help. A new setting is a row here and a field of `Settings`.
const SETTINGS: [Setting; 20] = settings! {
    "listen", Value("127.0.0.1:3000"),
        "address, or unix:PATH; a socket from systemd wins",
        listen = values::listen;
    "data", Computed("$STATE_DIRECTORY or ./data", data_directory),
        "database, logs, sources; created if missing",
        data = values::path;
    "docker", Value("docker"),
        "engine command: docker, podman or a compatible one",
        docker = values::text;
    "zig-versions", Computed("those of images/versions", image_versions),
        "toolchains to check under, with commas",
        zig_versions = values::versions;
    "max-builds", Computed("4, fewer if memory holds fewer", builds_that_fit),
        "containers at once",
        max_builds = values::max_builds;
    "memory", Value("2g"),
        "memory of each container (b, k, m, g)",
        memory_bytes = values::memory_bytes;
    "cpus", Value("2"),
        "processors of each container",
        cpus = values::cpus;
    "build-timeout", Value("1200"),
        "seconds for one build, its tests included",
        build_timeout_ms = values::seconds_ms;
    "silence-timeout", Value("300"),
        "seconds without a byte of output",
        silence_timeout_ms = values::seconds_ms;
    "fetch-network", Value("zigcheck-fetch"),
        "docker network of fetch containers; bridge and host reach private addresses",
        fetch_network = values::text;
    // The large hosts of repositories, and those that well-known packages need. Zig checks the hash of what comes.
    "allow-hosts", Value("github.com,gitlab.com,codeberg.org,git.sr.ht,deps.files.ghostty.org,pkg.hexops.org,\
        www.sqlite.org,sqlite.org,www.lua.org,nossa.ee"),
        "hosts that URLs may name; * for any",
        allow_hosts = values::hosts;
    "trusted-proxies", Initial("none"),
        "addresses, networks, loopback or unix, whose X-Forwarded-For is trusted",
        trusted_proxies = values::proxies;
    "submit-rate", Value("120"),
        "submissions of one address in an hour; 0 for any number",
        submit_rate = values::rate;
    "upload-rate", Value("1024"),
        "MiB of uploads of one address in an hour; 0 for any number",
        upload_rate_bytes = values::rate_bytes;
    "commit-search", Value("on"),
        "on or off: search for a commit that works where the latest one fails",
        commit_search = values::switch;
    "targets", Value("on"),
        "on or off: analyse what compiles natively for other targets as well",
        targets = values::switch;
    "keep-caches", Value("on"),
        "on or off: what a build of a package compiled is used for its next commit",
        keep_caches = values::switch;
    "disk-floor", Initial("1g, at most 5 % of the disk"),
        "free disk space below which no new work starts",
        disk_floor_bytes = values::disk_floor_bytes;
    "admin-token-file", Initial("none"),
        "file with the bearer token of admin calls; without it they answer 403",
        admin_token_file = values::token_file;
    "log-level", Value("info"),
        "error, warn, info or debug, on standard error",
        log_level = values::log_level;
};

fn data_directory(settings: &mut Settings, surroundings: &Surroundings) {
    let state = (surroundings.env)("STATE_DIRECTORY").filter(|path| !path.is_empty());
    settings.data = PathBuf::from(state.unwrap_or_else(|| "data".to_string()));
}

fn image_versions(settings: &mut Settings, _: &Surroundings) {
    settings.zig_versions = values::image_versions();
}

fn builds_that_fit(settings: &mut Settings, surroundings: &Surroundings) {
    let fit = surroundings.machine.memory_bytes / settings.memory_bytes;
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    settings.max_builds = fit.clamp(1, DEFAULT_MAX_BUILDS);
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "zigcheck: builds and tests Zig packages under several Zig versions, on one thread\n\n\
         Usage: zigcheck [--FLAG VALUE]...\n\
         \x20      zigcheck backup DIRECTORY [--keep NUMBER] [--data VALUE]\n\
         \x20      zigcheck restore BACKUP [--data VALUE]\n\n",
    );
    for Setting {
        flag,
        default,
        meaning,
        ..
    } in &SETTINGS
    {
        let name = format!("--{flag} VALUE");
        let (Value(shown) | Initial(shown) | Computed(shown, _)) = default;
        // A long default has a line of its own.
        let break_or_space = match meaning.len() + shown.len() {
            ..80 => " ",
            _ => "\n                           ",
        };
        text += &format!("  {name:<24} {meaning}{break_or_space}[{shown}]\n");
    }
    text += "  --help, --version\n\n\
             Each flag has an environment twin: --max-builds is ZIGCHECK_MAX_BUILDS.\n";
    text
}

/// What `args` (without the program's name) and the environment ask for. An error is one line that names the flag, the
/// value and what is allowed.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<String>,
    machine: Machine,
) -> Result<Invocation, String> {
    let mut given: Vec<(&'static str, String)> = Vec::new();
    let mut words: Vec<OsString> = Vec::new();
    let mut keep = None;
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Invocation::Help),
            lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => {
                return Ok(Invocation::Version);
            }
            lexopt::Arg::Long("keep") => {
                let value = parser.value().map_err(|e| e.to_string())?;
                let number = value.to_str().and_then(|text| text.parse().ok());
                let number = number.filter(|number| *number > 0);
                let bad = || format!("--keep {}: must be a number from 1", value.display());
                keep = Some(number.ok_or_else(bad)?);
            }
            lexopt::Arg::Value(word) => words.push(word),
            lexopt::Arg::Long(name) => {
                let known = SETTINGS.iter().find(|setting| setting.flag == name);
                let unknown = || format!("unknown flag --{name}: see --help");
                let flag = known.ok_or_else(unknown)?.flag;
                let value = parser.value().map_err(|e| e.to_string())?.into_string();
                let value = value.map_err(|v| format!("--{flag}: {v:?} is not UTF-8"))?;
                given.push((flag, value));
            }
            other @ lexopt::Arg::Short(_) => {
                return Err(format!("{}: see --help", other.unexpected()));
            }
        }
    }
    let settings = settings(&given, &Surroundings { machine, env })?;
    invocation(&words, keep, &given, settings)
}

/// What these words ask for; no words: to serve.
fn invocation(
    words: &[OsString],
    keep: Option<usize>,
    given: &[(&'static str, String)],
    settings: Settings,
) -> Result<Invocation, String> {
    let command = words.first().map(|word| word.to_string_lossy());
    let (command, path) = match (command.as_deref(), words) {
        (None, _) if keep.is_none() => return Ok(Invocation::Serve(Box::new(settings))),
        (None, _) => return Err("--keep: only backup takes it: see --help".to_string()),
        (Some(command @ ("backup" | "restore")), [_, path]) => (command, PathBuf::from(path)),
        (Some(command @ ("backup" | "restore")), _) => {
            return Err(format!("{command}: takes one directory: see --help"));
        }
        (Some(other), _) => return Err(format!("unknown command {other:?}: see --help")),
    };
    if let Some((flag, _)) = given.iter().find(|(flag, _)| *flag != "data") {
        return Err(format!("--{flag}: {command} does not take it: see --help"));
    }
    match (command, settings.data, keep) {
        ("backup", data, keep) => Ok(Invocation::Backup {
            data,
            to: path,
            keep,
        }),
        (_, data, None) => Ok(Invocation::Restore { data, from: path }),
        (_, _, Some(_)) => Err("--keep: only backup takes it: see --help".to_string()),
    }
}

/// The settings: a flag wins over its environment twin, that over the default. The last of two equal flags counts.
fn settings(
    given: &[(&'static str, String)],
    surroundings: &Surroundings,
) -> Result<Settings, String> {
    let mut settings = Settings {
        database_limit_bytes: DATABASE_LIMIT_BYTES,
        ..Settings::default()
    };
    let mut computed = Vec::new();
    for setting in &SETTINGS {
        let flag = setting.flag;
        let by_flag = given.iter().rev().find(|(name, _)| *name == flag);
        let twin = format!("ZIGCHECK_{}", flag.to_uppercase().replace('-', "_"));
        let value = by_flag.map(|(_, value)| value.clone());
        let value = value.or_else(|| (surroundings.env)(&twin).filter(|value| !value.is_empty()));
        match (value, &setting.default) {
            (Some(value), _) => (setting.apply)(&mut settings, &value)
                .map_err(|allowed| format!("--{flag} {value}: must be {allowed}"))?,
            (None, Value(value)) => (setting.apply)(&mut settings, value)?,
            (None, Initial(_)) => {}
            (None, Computed(_, compute)) => computed.push(compute),
        }
    }
    for compute in computed {
        compute(&mut settings, surroundings);
    }
    // Docker refuses more than the machine has.
    settings.cpus = settings.cpus.min(surroundings.machine.cpus as f64);
    Ok(settings)
}
