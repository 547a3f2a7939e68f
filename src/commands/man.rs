//! `zigcheck man`: the manual page, made from the rows of settings and commands.

use crate::config::commands::COMMANDS;
use crate::config::flags::SETTINGS;

/// The day of this version: pages and packages are the same whenever they are made.
pub const RELEASED: &str = "2026-11-29";

const DESCRIPTION: &str = "\
Builds and tests Zig packages under several Zig versions, each in a locked-down container without network, and shows \
every verdict the moment it is known. Without a command it serves HTTP. It needs a container engine and the images of \
the Zig versions.";

/// Beside `--help` and what the rows say.
const END: &[(&str, &[(&str, &str)])] = &[
    (
        "ENVIRONMENT",
        &[
            (
                "ZIGCHECK_FLAG",
                "The twin of --flag: ZIGCHECK_MAX_BUILDS is --max-builds. A flag wins over its twin.",
            ),
            (
                "STATE_DIRECTORY",
                "The data, unless --data names it. systemd sets it.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "/etc/zigcheck/zigcheck.env",
                "Settings of the service, as their twins in the environment.",
            ),
            ("/var/lib/zigcheck", "The data of the service."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "It was done, or the server was asked to stop."),
            (
                "1",
                "It failed: the last line on standard error says why. Of doctor: something should be better.",
            ),
            (
                "2",
                "A setting or this machine is unfit: to try again does not help. Of doctor: something is at fault.",
            ),
        ],
    ),
    (
        "SIGNALS",
        &[
            (
                "SIGTERM, SIGINT",
                "The server stops within 5 seconds. Builds go on in their containers, and the next server adopts them.",
            ),
            (
                "SIGUSR1",
                "The server drains: it starts nothing new, and ends when nothing runs.",
            ),
        ],
    ),
];

/// The page as man(7) has it.
pub fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH ZIGCHECK 1 {RELEASED} \"zigcheck {version}\" \"User Commands\"\n");
    // A flag is never cut by a hyphen, and a line with a long value not stretched.
    page += ".nh\n.ad l\n";
    section(&mut page, "NAME");
    page += "zigcheck \\- build and test Zig packages under several Zig versions\n";
    section(&mut page, "SYNOPSIS");
    page += &format!("{}\n", bold("zigcheck"));
    page += "[\\fB\\-\\-\\fIFLAG VALUE\\fR]...\n";
    for command in COMMANDS {
        page += &format!(".br\n{}\n", bold("zigcheck"));
        page += &format!("{}\n", text(&command.usage()));
    }
    section(&mut page, "DESCRIPTION");
    page += &format!("{}\n", text(DESCRIPTION));
    section(&mut page, "COMMANDS");
    for command in COMMANDS {
        entry(&mut page, command.name, command.operand, command.meaning);
        for option in command.options {
            let meaning = format!("with {}: {}", command.name, option.meaning);
            entry(
                &mut page,
                &format!("--{}", option.flag),
                option.value,
                &meaning,
            );
        }
    }
    section(&mut page, "OPTIONS");
    for setting in &SETTINGS {
        let meaning = format!("{} [{}]", setting.meaning, setting.default());
        entry(&mut page, &format!("--{}", setting.flag), "VALUE", &meaning);
    }
    entry(&mut page, "--help", "", "prints all flags and commands");
    entry(&mut page, "--version", "", "prints the version");
    for (title, entries) in END {
        section(&mut page, title);
        for (name, meaning) in *entries {
            entry(&mut page, name, "", meaning);
        }
    }
    section(&mut page, "SEE ALSO");
    page += "The server has its manual at /docs.\n";
    page
}

fn section(page: &mut String, title: &str) {
    *page += &format!(".SH \"{title}\"\n");
}

/// A paragraph behind a name and its value.
fn entry(page: &mut String, name: &str, value: &str, meaning: &str) {
    *page += &format!(".TP\n{}", bold(name));
    if !value.is_empty() {
        *page += &format!(" \\fI{}\\fR", text(value));
    }
    *page += &format!("\n{}\n", text(meaning));
}

fn bold(name: &str) -> String {
    format!("\\fB{}\\fR", text(name))
}

/// Text that roff prints as it is: no escape, no request, and a hyphen that can be copied. A long list breaks behind a
/// comma.
fn text(plain: &str) -> String {
    let escaped = plain.replace('\\', "\\e").replace('-', "\\-");
    let escaped = escaped.replace(',', ",\\:");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}
