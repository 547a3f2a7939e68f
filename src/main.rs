//! Read the settings, open the database, recover, run the reactor; the one place that prints a
//! fatal error.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use zigcheck::app::dispatch::dispatch::App;
use zigcheck::app::store::store::Store;
use zigcheck::config::flags;
use zigcheck::config::flags::Asked;
use zigcheck::config::settings::{Machine, Settings};
use zigcheck::config::token::{TOKEN_LIMIT_BYTES, Token};
use zigcheck::shell::clock::Clock;
use zigcheck::shell::disk::{self, Disk};
use zigcheck::shell::listen::{Listener, raise_open_files};
use zigcheck::shell::signal::SignalPipes;
use zigcheck::shell::{journal, reactor};

fn main() -> ExitCode {
    // First of all: a signal that comes early is a wish, too, and not the end.
    let signals = SignalPipes::listen();
    let env = |name: &str| std::env::var(name).ok();
    let asked = flags::parse(std::env::args_os().skip(1), &env, machine());
    let settings = match asked.and_then(with_token) {
        Ok(Asked::Help) => {
            print!("{}", flags::help());
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Version) => {
            println!("zigcheck {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Asked::Serve(settings)) => *settings,
        Err(sentence) => {
            journal::fatal(&sentence);
            return ExitCode::from(2);
        }
    };
    let signals = signals.map_err(|error| format!("signals: {error}"));
    match signals.and_then(|signals| serve(settings, signals)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(sentence)) => {
            journal::fatal(&sentence);
            ExitCode::from(2)
        }
        Err(sentence) => {
            journal::fatal(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// The settings with what the file of the admin token holds, if one is named.
fn with_token(asked: Asked) -> Result<Asked, String> {
    let Asked::Serve(mut settings) = asked else {
        return Ok(asked);
    };
    if let Some(path) = &settings.admin_token_file {
        let token = read_token(path);
        let named = |why| format!("--admin-token-file {}: {why}", path.display());
        settings.admin_token = Some(token.map_err(named)?);
    }
    Ok(Asked::Serve(settings))
}

fn read_token(path: &Path) -> Result<Token, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    // One byte more than there may be: it shows that there is more.
    let read = (&file).take(TOKEN_LIMIT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|e| e.to_string())?;
    // Of the file that was read, whatever stands at its path by now.
    let found = file.metadata().map_err(|e| e.to_string())?;
    Token::check_mode(found.mode())?;
    Token::read(&String::from_utf8_lossy(&bytes))
}

/// Runs until it is to end; or gives why this machine will not do, however often it is tried.
fn serve(settings: Settings, signals: SignalPipes) -> Result<Option<String>, String> {
    journal::start(settings.log_level);
    let data = &settings.data;
    let make = |dir: &Path| {
        let made = std::fs::create_dir_all(dir);
        made.map_err(|e| format!("--data {}: {e}", data.display()))
    };
    for dir in ["logs", "sources"] {
        make(&data.join(dir))?;
    }
    let _lock = lock(data)?;
    let ended = serve_from(&settings, signals);
    if ended.is_err() {
        disk::give_up_reserve(data);
    }
    ended
}

/// Serves from a data directory that is there, and nobody else's.
fn serve_from(settings: &Settings, signals: SignalPipes) -> Result<Option<String>, String> {
    let data = &settings.data;
    let store = Store::open(&data.join("zigcheck.db"))
        .map_err(|e| format!("--data {}: the database: {e}", data.display()))?;
    raise_open_files();
    let listener = Listener::open(&settings.listen)?;
    let clock = Clock::start();
    let app = App::open(settings.clone(), store, clock.now());
    let mut app = app.map_err(|e| format!("--data {}: {e}", data.display()))?;
    log::info!(
        "zigcheck {} listens on {}; {} builds at once, {} MiB and {} cpus each; zig {}",
        env!("CARGO_PKG_VERSION"),
        listener.name,
        settings.max_builds,
        settings.memory_bytes >> 20,
        settings.cpus,
        settings.zig_versions.join(", "),
    );
    if !settings.guards_fetches() {
        log::warn!(
            "--fetch-network {}: what fetches reaches whatever this machine does, private addresses \
             as well; systemd/fetch-network makes a network that does not, zigcheck-fetch",
            settings.fetch_network
        );
    }
    let disk = Disk::of(&settings.data);
    match reactor::run(&mut app, listener, signals, clock, disk) {
        Err(sentence) if app.is_unfit() => Ok(Some(sentence)),
        result => result.map(|()| None),
    }
}

/// Held for as long as the program runs: two servers on one data directory would build everything
/// twice and remove each other's containers.
fn lock(data: &Path) -> Result<std::fs::File, String> {
    let name = data.display();
    let dir = std::fs::File::open(data).map_err(|e| format!("--data {name}: {e}"))?;
    match dir.try_lock() {
        Ok(()) => Ok(dir),
        Err(_) => Err(format!("--data {name}: another zigcheck is using it")),
    }
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
        // Where the kernel does not say, nothing is capped.
        memory_bytes: kib.map_or(u64::MAX, |kib| kib << 10),
    }
}
