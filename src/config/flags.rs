//! The command line and the environment: one row for each setting.

use std::ffi::OsString;
use std::path::PathBuf;

use DefaultValue::{Computed, Initial, Value};

use crate::config::commands::{self, COMMANDS, Command, Given, Invocation, Values};
use crate::config::launcher::Launcher;
use crate::config::limits::{
    CLUSTER_BUILD_BYTES, DATABASE_LIMIT_BYTES, DEFAULT_MAX_BUILDS, MAX_BUILDS,
    ONE_MACHINE_BUILDS_LIMIT,
};
use crate::config::settings::{Machine, Settings};
use crate::config::values;

/// One setting. Its environment twin is `ZIGCHECK_` and the flag's name in upper case.
pub struct Setting {
    pub flag: &'static str,
    default: DefaultValue,
    pub meaning: &'static str,
    /// What a shell offers for its value.
    pub values: Values,
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

/// A row for each setting: its flag, default, help, the field with the function that reads its value, and what a shell
/// offers for it.
macro_rules! settings {
    ($($flag:literal, $default:expr, $meaning:literal, $field:ident = $read:expr $(, $values:expr)?;)+) => {
        [$(Setting {
            flag: $flag,
            default: $default,
            meaning: $meaning,
            values: [$($values,)? Values::Any][0],
            apply: |settings, value| {
                settings.$field = $read(value)?;
                Ok(())
            },
        }),+]
    };
}

const ON_OR_OFF: Values = Values::Words(&["on", "off"]);

/// All settings, in the order of the help. A new setting is a row here and a field of `Settings`.
pub const SETTINGS: [Setting; 23] = settings! {
    "listen", Value("127.0.0.1:3000"),
        "address, or unix:PATH; a socket from systemd wins",
        listen = values::listen;
    "data", Computed("$STATE_DIRECTORY or ./data", data_directory),
        "database, logs, sources; created if missing",
        data = values::path, Values::Directories;
    "docker", Value("docker"),
        "engine command: docker, podman or a compatible one",
        docker = values::text, Values::Words(&["docker", "podman"]);
    "launcher", Value("local"),
        "where builds run: local, slurm or ssh:[USER@]HOST[:PORT]; fetches stay here",
        launcher = values::launcher;
    "zig-versions", Computed("those of images/versions", image_versions),
        "toolchains to check under, with commas",
        zig_versions = values::versions;
    "max-builds", Computed("4, fewer if memory holds fewer; slurm: as the nodes have", builds_that_fit),
        "tasks at once; on a cluster the most, where its nodes have more",
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
        "seconds in which a build neither writes nor uses a processor",
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
        commit_search = values::switch, ON_OR_OFF;
    "targets", Value("on"),
        "on or off: analyse what compiles natively for other targets as well",
        targets = values::switch, ON_OR_OFF;
    "keep-caches", Value("on"),
        "on or off: what a build of a package compiled is used for its next commit",
        keep_caches = values::switch, ON_OR_OFF;
    "disk-floor", Initial("1g, at most 5 % of the disk"),
        "free disk space below which no new work starts",
        disk_floor_bytes = values::disk_floor_bytes;
    "admin-socket", Computed("$RUNTIME_DIRECTORY/admin.sock or DATA/admin.sock", admin_socket),
        "unix socket on which root and the server's user need no token for admin calls; off for none",
        admin_socket = values::admin_socket, Values::Files;
    "admin-token-file", Initial("none"),
        "file with one more token for admin calls, beside those of `admin make-token`",
        admin_token_file = values::token_file, Values::Files;
    "hook-secret-file", Initial("none"),
        "file with the secret that push hooks must be signed with",
        hook_secret_file = values::token_file, Values::Files;
    "log-level", Value("info"),
        "error, warn, info or debug, on standard error",
        log_level = values::log_level, Values::Words(&["error", "warn", "info", "debug"]);
};

fn data_directory(settings: &mut Settings, surroundings: &Surroundings) {
    let state = (surroundings.env)("STATE_DIRECTORY").filter(|path| !path.is_empty());
    settings.data = PathBuf::from(state.unwrap_or_else(|| "data".to_string()));
}

/// After the data directory: this follows the order of the rows.
fn admin_socket(settings: &mut Settings, surroundings: &Surroundings) {
    let runtime = (surroundings.env)("RUNTIME_DIRECTORY").filter(|path| !path.is_empty());
    let directory = runtime.map_or(settings.data.clone(), PathBuf::from);
    settings.admin_socket = Some(directory.join("admin.sock"));
}

fn image_versions(settings: &mut Settings, _: &Surroundings) {
    settings.zig_versions = values::image_versions();
}

fn builds_that_fit(settings: &mut Settings, surroundings: &Surroundings) {
    let (bytes, most) = match settings.launcher {
        Launcher::Slurm => (CLUSTER_BUILD_BYTES, *MAX_BUILDS.end()),
        Launcher::Local | Launcher::Ssh(_) => (settings.memory_bytes, DEFAULT_MAX_BUILDS),
    };
    let fit = surroundings.machine.memory_bytes / bytes;
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    settings.max_builds = fit.clamp(1, most);
}

impl Setting {
    /// Its default as the help shows it.
    pub fn default(&self) -> &'static str {
        let (Value(shown) | Initial(shown) | Computed(shown, _)) = self.default;
        shown
    }
}

/// The text of `--help`.
pub fn help() -> String {
    let mut text = String::from(
        "zigcheck: builds and tests Zig packages under several Zig versions, on one thread\n\n\
         Usage: zigcheck [--FLAG VALUE]...\n\
         \x20      zigcheck COMMAND\n\n",
    );
    for setting in &SETTINGS {
        let name = format!("--{} VALUE", setting.flag);
        let (meaning, shown) = (setting.meaning, setting.default());
        // A long default has a line of its own.
        let break_or_space = match meaning.len() + shown.len() {
            ..80 => " ",
            _ => "\n                           ",
        };
        text += &format!("  {name:<24} {meaning}{break_or_space}[{shown}]\n");
    }
    text += "  --help, --version\n\n\
             Each flag has an environment twin: --max-builds is ZIGCHECK_MAX_BUILDS.\n\n\
             Commands:\n";
    for command in COMMANDS {
        text += &format!("  {}\n    {}\n", command.usage(), command.meaning);
    }
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
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
        match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Invocation::Help),
            lexopt::Arg::Long("version") | lexopt::Arg::Short('V') => {
                return Ok(Invocation::Version);
            }
            lexopt::Arg::Value(word) => words.push(word),
            lexopt::Arg::Long(name) => {
                let unknown = || format!("unknown flag --{name}: see --help");
                let flag = known_flag(name).ok_or_else(unknown)?;
                let value = match commands::is_switch(flag) {
                    true => OsString::new(),
                    false => parser.value().map_err(|e| e.to_string())?,
                };
                let value = value.into_string();
                let value = value.map_err(|v| format!("--{flag}: {v:?} is not UTF-8"))?;
                given.push((flag, value));
            }
            other @ lexopt::Arg::Short(_) => {
                return Err(format!("{}: see --help", other.unexpected()));
            }
        }
    }
    let mut words = words.into_iter();
    let command = words.next().map(|word| find_command(&word)).transpose()?;
    for (flag, _) in &given {
        check_taken(flag, command)?;
    }
    let settings = settings(&given, &Surroundings { machine, env })?;
    let Some(command) = command else {
        return Ok(Invocation::Serve(Box::new(settings)));
    };
    command.read(&Given {
        operands: words.collect(),
        options: given,
        settings,
    })
}

/// The flag of a setting, or of an option of commands.
fn known_flag(name: &str) -> Option<&'static str> {
    let setting = SETTINGS.iter().find(|setting| setting.flag == name);
    let option = || commands::find_option(name).map(|(flag, _)| flag);
    setting.map(|setting| setting.flag).or_else(option)
}

fn find_command(word: &OsString) -> Result<&'static Command, String> {
    let name = word.to_string_lossy();
    commands::find(&name).ok_or_else(|| format!("unknown command {name:?}: see --help"))
}

/// An error if the command, or the server without one, does not take that flag.
fn check_taken(flag: &str, command: Option<&Command>) -> Result<(), String> {
    let takers = commands::find_option(flag).map(|(_, takers)| takers);
    let is_taken = match command {
        Some(command) => command.has_option(flag) || command.settings.contains(&flag),
        None => takers.is_none(),
    };
    match (is_taken, takers, command) {
        (false, Some(takers), _) => Err(format!("--{flag}: only {takers} takes it: see --help")),
        (false, None, Some(Command { name, .. })) => {
            Err(format!("--{flag}: {name} does not take it: see --help"))
        }
        _ => Ok(()),
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
    if settings.launcher != Launcher::Slurm && settings.max_builds > ONE_MACHINE_BUILDS_LIMIT {
        let (given, most) = (settings.max_builds, ONE_MACHINE_BUILDS_LIMIT);
        return Err(format!(
            "--max-builds {given}: must be at most {most} without --launcher slurm"
        ));
    }
    // Docker refuses more than the machine has.
    settings.cpus = settings.cpus.min(surroundings.machine.cpus as f64);
    Ok(settings)
}
