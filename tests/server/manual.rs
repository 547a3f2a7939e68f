//! The manual page under the programs that show it, and the completions in the shells that use them.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::server::scratch;
use zigcheck::config::commands::COMMANDS;
use zigcheck::config::flags::SETTINGS;
use zigcheck::notify::options::OPTIONS;

const PROGRAM: &str = env!("CARGO_BIN_EXE_zigcheck");
const NOTIFY: &str = env!("CARGO_BIN_EXE_zigcheck-notify");

/// What the program prints for these words, in a file.
fn printed(words: &[&str]) -> PathBuf {
    printed_by(PROGRAM, words)
}

fn printed_by(program: &str, words: &[&str]) -> PathBuf {
    let output = Command::new(program).args(words).output();
    let output = output.expect("the program");
    assert!(output.status.success(), "{words:?}");
    let file = scratch(&format!("printed-{}", words.join("-")));
    std::fs::write(&file, output.stdout).expect("a file");
    file
}

/// What a program prints on both outputs for that input.
fn said(program: &str, args: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C.UTF-8");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{program}: {error}: make setup-tests"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn the_manual_page_names_every_flag_and_command_and_is_shown_without_a_warning() {
    let page = printed(&["man"]);
    let page = page.to_str().expect("a path");
    assert_eq!(
        said("mandoc", &["-T", "lint", "-W", "warning", page], ""),
        ""
    );
    let shown = said("man", &["--warnings", "--local-file", page], "");
    assert!(!shown.contains("warning"), "{shown}");
    for setting in &SETTINGS {
        assert!(
            shown.contains(&format!("\n       --{} VALUE", setting.flag)),
            "{shown}"
        );
    }
    for command in COMMANDS {
        assert!(
            shown.contains(&format!("\n       zigcheck {}", command.name)),
            "{shown}"
        );
        assert!(
            shown.contains(&format!("\n       {}", command.name)),
            "{shown}"
        );
    }
}

#[test]
fn the_manual_page_of_the_notifier_names_every_option_and_is_shown_without_a_warning() {
    let page = printed_by(NOTIFY, &["--man"]);
    let page = page.to_str().expect("a path");
    assert_eq!(
        said("mandoc", &["-T", "lint", "-W", "warning", page], ""),
        ""
    );
    let shown = said("man", &["--warnings", "--local-file", page], "");
    assert!(!shown.contains("warning"), "{shown}");
    for (name, ..) in OPTIONS {
        assert!(shown.contains(&format!("\n       --{name}")), "{shown}");
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let script = printed(&["completions", "bash"]);
    let offers = |words: &[&str]| {
        let count = words.len();
        let words = words.iter().map(|word| format!("'{word}'"));
        let words: Vec<String> = words.collect();
        let ask = format!(
            "source {}; compopt() {{ :; }}; COMP_WORDS=(zigcheck {}); COMP_CWORD={count}; _zigcheck; \
             echo \"${{COMPREPLY[*]}}\"; complete -p zigcheck",
            script.display(),
            words.join(" "),
        );
        let text = said("bash", &["--norc", "-u"], &ask);
        let offered = text.strip_suffix("\ncomplete -F _zigcheck zigcheck\n");
        offered.unwrap_or_else(|| panic!("{text}")).to_string()
    };
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    assert_eq!(offers(&[""]), names.join(" "));
    assert_eq!(offers(&["--max-b"]), "--max-builds");
    assert_eq!(offers(&["--log-level", "w"]), "warn");
    assert_eq!(offers(&["--max-builds", ""]), "");
    assert_eq!(offers(&["backup", "--k"]), "--keep");
    assert_eq!(offers(&["backup", "--max"]), "");
    assert_eq!(offers(&["backup", "/et"]), "/etc");
    assert_eq!(offers(&["--data", "/d", "completions", "f"]), "fish");
}

#[test]
fn zsh_completes_what_is_typed() {
    let script = printed(&["completions", "zsh"]);
    // A shell at a terminal of its own, whose program prints its words.
    let terminal = r#"zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w -n z "PS1= ; autoload -Uz compinit; compinit -u -D; source $1; zigcheck() { print -r -- \"[\$*]\"; exit }"$'\n'
        zpty -w -n z "zigcheck $2"$'\n'
        while zpty -r z line 2>/dev/null; do print -r -- "$line"; done"#;
    for (typed, meant) in [
        ("compl\tf\t", "completions fish"),
        ("backu\t--k\t5", "backup --keep=5"),
        ("--log-l\tw\t", "--log-level=warn"),
        (
            "restor\t/etc/apt/sources.list.\t",
            "restore /etc/apt/sources.list.d",
        ),
    ] {
        let args = [
            "-f",
            "-c",
            terminal,
            "zsh",
            script.to_str().expect("a path"),
            typed,
        ];
        let text = said("zsh", &args, "");
        let line = text.lines().find(|line| line.starts_with('['));
        assert_eq!(
            line.map(str::trim_end),
            Some(&*format!("[{meant}]")),
            "{text}"
        );
    }
}

#[test]
fn fish_completes_commands_flags_and_values() {
    let script = printed(&["completions", "fish"]);
    let offers = |typed: &str| {
        let ask = format!(
            "source {}; complete -C 'zigcheck {typed}'",
            script.display()
        );
        let text = said("fish", &["--no-config", "-c", &ask], "");
        let words = text.lines().filter_map(|line| line.split('\t').next());
        words.collect::<Vec<&str>>().join(" ")
    };
    let mut names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    names.sort_unstable();
    assert_eq!(offers(""), names.join(" "));
    assert_eq!(offers("--max-b"), "--max-builds");
    assert_eq!(offers("--log-level w"), "warn");
    assert_eq!(offers("backup --k"), "--keep");
    assert_eq!(offers("backup --max"), "");
    assert_eq!(offers("backup /et"), "/etc/");
    assert_eq!(offers("completions f"), "fish");
}

#[test]
fn a_reader_that_has_read_enough_ends_a_command_without_a_word() {
    for (program, words) in [(PROGRAM, "man"), (NOTIFY, "--help")] {
        let script = format!("{program} {words} | true; exit ${{PIPESTATUS[0]}}");
        let output = Command::new("bash").args(["-c", &script]).output();
        let output = output.expect("bash");
        assert!(output.status.success(), "{program}: {output:?}");
        assert!(output.stderr.is_empty(), "{program}: {output:?}");
        let script = format!("{program} {words} >/dev/full");
        let output = Command::new("bash").args(["-c", &script]).output();
        let output = output.expect("bash");
        assert_eq!(output.status.code(), Some(1), "{program}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("standard output: No space left"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
