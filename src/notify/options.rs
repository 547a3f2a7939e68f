//! The command line of the notifier.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    Run(Options),
    /// Reads the configuration, and says what is wrong with it.
    Check(Options),
    Man,
    Help,
    Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub config: PathBuf,
    pub data: PathBuf,
}

/// An option: its name, its value, its default and its meaning.
pub const OPTIONS: [(&str, &str, &str, &str); 3] = [
    (
        "config",
        "FILE",
        "/etc/zigcheck/notify.json",
        "who asked for what, and where it is sent",
    ),
    (
        "data-dir",
        "DIR",
        "/var/lib/zigcheck-notify",
        "what was sent, and what is to be sent",
    ),
    (
        "check",
        "",
        "",
        "read the configuration and end; exit code 2: it is wrong",
    ),
];

const WHAT: &str = "zigcheck-notify reports what a zigcheck server finds: commit statuses and issues at \
GitHub, Forgejo and GitLab, webhooks, and mail.";

/// Reads the command line. An error is one sentence.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
    use lexopt::prelude::{Long, Short, ValueExt};
    let default = |name: &str| {
        OPTIONS
            .iter()
            .find(|row| row.0 == name)
            .map_or("", |row| row.2)
    };
    let mut options = Options {
        config: PathBuf::from(default("config")),
        data: PathBuf::from(default("data-dir")),
    };
    let mut is_check = false;
    let mut parser = lexopt::Parser::from_args(args);
    let text = |error: lexopt::Error| error.to_string();
    while let Some(arg) = parser.next().map_err(text)? {
        match arg {
            Long("config") => options.config = value(&mut parser)?,
            Long("data-dir") => options.data = value(&mut parser)?,
            Long("check") => is_check = true,
            Long("help") | Short('h') => return Ok(Invocation::Help),
            Long("version") | Short('V') => return Ok(Invocation::Version),
            Long("man") => return Ok(Invocation::Man),
            other => return Err(other.unexpected().to_string()),
        }
    }
    fn value(parser: &mut lexopt::Parser) -> Result<PathBuf, String> {
        let value = parser.value().map_err(|error| error.to_string())?;
        value
            .parse()
            .map_err(|error: lexopt::Error| error.to_string())
    }
    Ok(match is_check {
        true => Invocation::Check(options),
        false => Invocation::Run(options),
    })
}

pub fn help() -> String {
    let line = |(name, value, default, meaning): &(&str, &str, &str, &str)| {
        let usage = format!("--{name} {value}");
        let default = match default.is_empty() {
            true => String::new(),
            false => format!(" [{default}]"),
        };
        format!("  {usage:<18} {meaning}{default}\n")
    };
    let lines: String = OPTIONS.iter().map(line).collect();
    format!("{WHAT}\n\nUsage: zigcheck-notify [OPTION]...\n\n{lines}  --help, --version\n")
}

/// The manual page.
pub fn man(day: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let item = |(name, value, default, meaning): &(&str, &str, &str, &str)| {
        let default = match default.is_empty() {
            true => String::new(),
            false => format!(" The default is {}.", escaped(default)),
        };
        let meaning = escaped(meaning);
        format!(
            ".TP\n.B \\-\\-{} \\fI{value}\\fR\n{meaning}.{default}\n",
            escaped(name)
        )
    };
    let items: String = OPTIONS.iter().map(item).collect();
    format!(
        ".TH ZIGCHECK\\-NOTIFY 1 {day} \"zigcheck {version}\"\n\
         .SH NAME\nzigcheck\\-notify \\- report verdicts of zigcheck to forges, webhooks and mail\n\
         .SH SYNOPSIS\n.B zigcheck\\-notify\n[\\fIOPTION\\fR]...\n\
         .SH DESCRIPTION\n{}\n\
         It follows the events of a server, and does nothing for a package unless somebody asked for it.\n\
         .SH OPTIONS\n{items}\
         .SH FILES\n.TP\n.I /etc/zigcheck/notify.json\nThe configuration. Without it the service does not start.\n\
         .SH SEE ALSO\n.BR zigcheck (1)\n",
        escaped(WHAT)
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
