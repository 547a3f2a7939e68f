//! The program: reads the settings, opens the database, recovers, runs the reactor. Fatal errors are printed here only.

#![warn(clippy::unwrap_used)]

use std::process::ExitCode;

use zigcheck::app::dispatch::dispatch::App;
use zigcheck::app::store::migrations::OpenError;
use zigcheck::commands::doctor::findings::Level;
use zigcheck::commands::{
    admin, backup, completions, database, doctor, import, man, output, restore, secret_file, urls,
};
use zigcheck::config::commands::Invocation;
use zigcheck::config::flags;
use zigcheck::config::hook_secret::HookSecret;
use zigcheck::config::launcher::{self, Launcher};
use zigcheck::config::settings::{Machine, Settings};
use zigcheck::config::token::Token;
use zigcheck::shell::clock::Clock;
use zigcheck::shell::disk::{self, Disk};
use zigcheck::shell::listen::{Listener, Listeners, raise_open_files};
use zigcheck::shell::signal::SignalPipes;
use zigcheck::shell::{journal, reactor};

/// Why the program ends without success.
enum Failure {
    /// A setting, or this machine, is unfit: another start would not help. Exit code 2.
    Unfit(String),
    /// Exit code 1.
    Failed(String),
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(Failure::Unfit(sentence)) => {
            journal::fatal("zigcheck", &sentence);
            ExitCode::from(2)
        }
        Err(Failure::Failed(sentence)) => {
            journal::fatal("zigcheck", &sentence);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let invocation = flags::parse(std::env::args_os().skip(1), &env, machine());
    match invocation.map_err(Failure::Unfit)? {
        Invocation::Man => print(&man::page())?,
        Invocation::Completions(shell) => print(&completions::script(shell))?,
        Invocation::Help => print(&flags::help())?,
        Invocation::Version => print(concat!("zigcheck ", env!("CARGO_PKG_VERSION"), "\n"))?,
        Invocation::Backup { data, to, keep } => {
            done(backup::run(&data, &to, keep, Clock::start().now()))?
        }
        Invocation::Restore { data, from } => {
            done(restore::run(&data, &from, Clock::start().now()))?
        }
        Invocation::Import { data, from, hosts } => {
            let report = import::run(&data, &from, &hosts, Clock::start().now());
            let report = report.map_err(Failure::Failed)?;
            print(&report.to_string())?;
            all_taken(report.refused())?;
        }
        Invocation::ImportUrls { list, server } => {
            let tally = urls::run(&list, &server).map_err(Failure::Failed)?;
            print(&format!("packages: {tally}"))?;
            all_taken(tally.refused())?;
        }
        Invocation::Doctor {
            settings,
            backups,
            builds,
            json,
        } => {
            let backups = backups.unwrap_or_else(|| settings.data.join("backups"));
            let options = doctor::Options { backups, builds };
            let (report, worst) = doctor::run(&settings, &options, json);
            print(&report)?;
            return Ok(code_of(worst));
        }
        Invocation::Admin {
            settings,
            words,
            sockets,
            server,
            token_file,
        } => {
            let options = admin::Options {
                words,
                sockets,
                server,
                token_file,
            };
            done(admin::run(&settings, &options))?
        }
        Invocation::Serve(mut settings) => {
            // First: from here on a signal stops the server in order. It just ends a command.
            let signals = SignalPipes::listen();
            let signals = signals.map_err(|error| Failure::Failed(format!("signals: {error}")))?;
            read_secrets(&mut settings).map_err(Failure::Unfit)?;
            prepare_ssh(&mut settings).map_err(Failure::Unfit)?;
            serve(&settings, signals)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit codes of monitoring plugins (Nagios and its kin): 0 ok, 1 warning, 2 critical.
fn code_of(worst: Level) -> ExitCode {
    match worst {
        Level::Ok => ExitCode::SUCCESS,
        Level::Warning => ExitCode::from(1),
        Level::Fault => ExitCode::from(2),
    }
}

/// Prints what a command has done.
fn done(result: Result<String, String>) -> Result<(), Failure> {
    print(&format!("{}\n", result.map_err(Failure::Failed)?))
}

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(Failure::Failed)
}

/// Fails where an import has refused rows, which its report names.
fn all_taken(refused: usize) -> Result<(), Failure> {
    match refused {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("import: {refused} refused"))),
    }
}

/// Stores the admin token and the secret of hooks, if the settings name their files.
fn read_secrets(settings: &mut Settings) -> Result<(), String> {
    if let Some(path) = &settings.admin_token_file {
        let token = secret_file::read(path).and_then(|text| Token::read(&text));
        let named = |why| format!("--admin-token-file {}: {why}", path.display());
        settings.admin_token = Some(token.map_err(named)?);
    }
    if let Some(path) = &settings.hook_secret_file {
        let secret = secret_file::read(path).and_then(|text| HookSecret::read(&text));
        let named = |why| format!("--hook-secret-file {}: {why}", path.display());
        settings.hook_secret = Some(secret.map_err(named)?);
    }
    Ok(())
}

/// Makes the directory of keys and sockets, if builds run on another machine.
fn prepare_ssh(settings: &mut Settings) -> Result<(), String> {
    let Launcher::Ssh(_) = settings.launcher else {
        return Ok(());
    };
    let data = settings.data.display().to_string();
    let named = |error| format!("--data {data}: {error}");
    // Other programs get the paths of its sockets.
    settings.data = std::path::absolute(&settings.data).map_err(named)?;
    launcher::check_ssh_directory(&settings.data)?;
    disk::make_private_directory(&launcher::ssh_directory(&settings.data)).map_err(named)
}

/// Serves until the server is asked to stop.
fn serve(settings: &Settings, signals: SignalPipes) -> Result<(), Failure> {
    journal::start(settings.log_level.0);
    let data = &settings.data;
    let named = |error: String| Failure::Failed(format!("--data {}: {error}", data.display()));
    for dir in ["logs", "sources"] {
        std::fs::create_dir_all(data.join(dir)).map_err(|error| named(error.to_string()))?;
    }
    let _lock = disk::lock(data).map_err(named)?;
    let result = serve_from(settings, signals);
    if matches!(result, Err(Failure::Failed(_))) {
        disk::give_up_reserve(data);
    }
    result
}

/// Serves from a data directory that exists and is locked.
fn serve_from(settings: &Settings, signals: SignalPipes) -> Result<(), Failure> {
    let data = &settings.data;
    let named = |error: String| Failure::Failed(format!("--data {}: {error}", data.display()));
    let store = database::open(data).map_err(|error| {
        let sentence = format!("--data {}: the database: {error}", data.display());
        match error {
            // After a downgrade: it is as new at the next start. What a trial finds stays as well, and each one copies
            // the database.
            OpenError::UnknownVersion(_) | OpenError::Trial(_) => Failure::Unfit(sentence),
            OpenError::Database(_) => Failure::Failed(sentence),
        }
    })?;
    raise_open_files();
    let public = Listener::open(&settings.listen).map_err(Failure::Failed)?;
    let clock = Clock::start();
    let app = App::open(settings.clone(), store, clock.now());
    let mut app = app.map_err(|error| named(error.to_string()))?;
    // Both listen before the log says so.
    let admin = settings.admin_socket.as_deref().map(Listener::open_admin);
    log::info!(
        "zigcheck {} listens on {}; {} builds at once, {} MiB and {} cpus each; zig {}",
        env!("CARGO_PKG_VERSION"),
        public.name,
        settings.max_builds,
        settings.memory_bytes >> 20,
        settings.cpus,
        settings.zig_versions.join(", "),
    );
    if !settings.guards_fetches() {
        log::warn!(
            "--fetch-network {}: fetches can reach private addresses; systemd/fetch-network makes \
             the network zigcheck-fetch, which cannot",
            settings.fetch_network
        );
    }
    let admin = admin.and_then(opened);
    let disk = Disk::of(&settings.data);
    let result = reactor::run(&mut app, Listeners { public, admin }, signals, clock, disk);
    result.map_err(|sentence| match app.is_unfit() {
        true => Failure::Unfit(sentence),
        false => Failure::Failed(sentence),
    })
}

/// The admin socket. A server without it works as well, but for calls without a token.
fn opened(admin: Result<Listener, String>) -> Option<Listener> {
    let warned = admin.inspect_err(|why| {
        log::warn!("--admin-socket: {why}; admin calls need the token");
    });
    warned.ok()
}

fn machine() -> Machine {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get());
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|words| words.split_whitespace().next()?.parse::<u64>().ok());
    Machine {
        cpus,
        // Unknown: nothing is capped.
        memory_bytes: kib.map_or(u64::MAX, |kib| kib << 10),
    }
}
