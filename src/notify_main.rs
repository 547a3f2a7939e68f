//! The notifier's program: reads the configuration, opens the database, runs the loop.

#![warn(clippy::unwrap_used)]

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use zigcheck::commands::{man, output, secret_file};
use zigcheck::notify::config::Config;
use zigcheck::notify::limits::CONFIG_LIMIT_BYTES;
use zigcheck::notify::notifier::Notifier;
use zigcheck::notify::options::{self, Invocation, Options};
use zigcheck::notify::store::Store;
use zigcheck::shell::clock::Clock;
use zigcheck::shell::signal::SignalPipes;
use zigcheck::shell::{disk, journal, worker};

const NAME: &str = "zigcheck-notify";

/// An error, with its exit code: 2 where another start would not help.
type Failure = (u8, String);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, sentence)) => {
            journal::fatal(NAME, &sentence);
            ExitCode::from(code)
        }
    }
}

fn run() -> Result<(), Failure> {
    let invocation = options::parse(std::env::args_os().skip(1));
    match invocation.map_err(|sentence| (2, sentence))? {
        Invocation::Help => print(&options::help())?,
        Invocation::Version => print(&format!("{NAME} {}\n", env!("CARGO_PKG_VERSION")))?,
        Invocation::Man => print(&options::man(man::RELEASED))?,
        Invocation::Check(options) => {
            let config = read(&options.config)?;
            let (rows, forges) = (config.rows.len(), config.forges.len());
            let path = options.config.display();
            print(&format!(
                "{path}: {rows} rows for packages, {forges} forges\n"
            ))?;
        }
        Invocation::Run(options) => {
            let signals = SignalPipes::listen();
            let signals = signals.map_err(|error| (1, format!("signals: {error}")))?;
            serve(&options, signals)?;
        }
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|sentence| (1, sentence))
}

fn read(path: &Path) -> Result<Config, Failure> {
    let named = |why: String| (2, format!("{}: {why}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| named(error.to_string()))?;
    let read = file.take(CONFIG_LIMIT_BYTES).read_to_string(&mut text);
    read.map_err(|error| named(error.to_string()))?;
    Config::read(&text, &secret_file::read).map_err(named)
}

fn serve(options: &Options, signals: SignalPipes) -> Result<(), Failure> {
    let config = read(&options.config)?;
    journal::start(log::LevelFilter::Info);
    let data = &options.data;
    let named = |why: String| (1, format!("--data-dir {}: {why}", data.display()));
    std::fs::create_dir_all(data).map_err(|error| named(error.to_string()))?;
    let _lock = disk::lock(data).map_err(named)?;
    let store = Store::open(&data.join("notify.db")).map_err(named)?;
    log::info!(
        "{NAME} {} follows {}; {} tasks wait",
        env!("CARGO_PKG_VERSION"),
        config.server,
        store.waiting(),
    );
    let mut notifier = Notifier::new(config, store);
    worker::run(&mut notifier, signals, Clock::start()).map_err(|sentence| (1, sentence))
}
