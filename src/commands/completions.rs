//! `zigcheck completions`: what bash, zsh and fish offer, made from the rows of settings and commands.

use crate::config::commands::{COMMANDS, Command, Shell, Values};
use crate::config::flags::SETTINGS;

/// A flag with what is offered for its value.
struct Flag {
    name: &'static str,
    values: Values,
    meaning: &'static str,
}

pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => zsh(),
        Shell::Fish => fish(),
    }
}

fn all_flags() -> Vec<Flag> {
    let flags = SETTINGS.iter().map(|setting| Flag {
        name: setting.flag,
        values: setting.values,
        meaning: setting.meaning,
    });
    flags.collect()
}

/// The flags that a command takes.
fn flags_of(command: &Command) -> Vec<Flag> {
    let options = command.options.iter().map(|option| Flag {
        name: option.flag,
        values: option.values,
        meaning: option.meaning,
    });
    let taken = |flag: &Flag| command.settings.contains(&flag.name);
    options
        .chain(all_flags().into_iter().filter(taken))
        .collect()
}

/// A line of `case`: the words before the cursor, and what is offered behind them.
fn bash() -> String {
    let mut values = String::new();
    let options = COMMANDS.iter().flat_map(flags_of);
    let flags = all_flags().into_iter().chain(options);
    for flag in flags.filter(|flag| !matches!(flag.values, Values::None | Values::Any)) {
        let line = format!("        --{}) {} ;;\n", flag.name, bash_offer(flag.values));
        if !values.contains(&line) {
            values += &line;
        }
    }
    let mut commands = String::new();
    for command in COMMANDS {
        let (name, flags) = (command.name, bash_flags(&flags_of(command)));
        let offer = bash_offer(command.values);
        commands +=
            &format!("        {name}) flags=\"{flags}\"; [[ $word == -* ]] || {{ {offer}; }} ;;\n");
    }
    let names = names();
    let flags = bash_flags(&all_flags());
    format!(
        "# Completions of zigcheck for bash, made by `zigcheck completions bash`.\n\
         _zigcheck() {{\n    \
             local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command= flags i\n    \
             COMPREPLY=()\n    \
             case $before in\n{values}    esac\n    \
             case $before in --*) return ;; esac\n    \
             for ((i = 1; i < COMP_CWORD; i++)); do\n        \
                 case ${{COMP_WORDS[i]}} in {pattern}) command=${{COMP_WORDS[i]}}; break ;; esac\n    \
             done\n    \
             case $command in\n{commands}        \
                 *) flags=\"{flags} --help --version\"\n           \
                    [[ $word == -* ]] || COMPREPLY=($(compgen -W '{names}' -- \"$word\")) ;;\n    \
             esac\n    \
             [[ $word != -* ]] || COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n\
         }}\n\
         complete -F _zigcheck zigcheck\n",
        pattern = names.replace(' ', "|"),
    )
}

fn names() -> String {
    let names: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
    names.join(" ")
}

fn bash_flags(flags: &[Flag]) -> String {
    let names: Vec<String> = flags
        .iter()
        .map(|flag| format!("--{}", flag.name))
        .collect();
    names.join(" ")
}

fn bash_offer(values: Values) -> String {
    match values {
        Values::None | Values::Any => ":".to_string(),
        Values::Words(words) => {
            format!(
                "COMPREPLY=($(compgen -W '{}' -- \"$word\"))",
                words.join(" ")
            )
        }
        Values::Files => "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\"))".to_string(),
        Values::Directories => {
            "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$word\"))".to_string()
        }
    }
}

fn zsh() -> String {
    let mut commands = String::new();
    let mut cases = String::new();
    for command in COMMANDS {
        commands += &format!(
            "        '{}:{}'\n",
            command.name,
            quoted(command.meaning).replace(':', "\\:")
        );
        let flags = zsh_flags(&flags_of(command));
        let operand = match command.operand {
            "" => String::new(),
            name => format!(" '1:{}:{}'", name.to_lowercase(), zsh_offer(command.values)),
        };
        cases += &format!("        {}) _arguments{flags}{operand} ;;\n", command.name);
    }
    format!(
        "#compdef zigcheck\n\
         # Completions of zigcheck for zsh, made by `zigcheck completions zsh`.\n\
         _zigcheck() {{\n    \
             local state line\n    \
             local -a commands=(\n{commands}    )\n    \
             _arguments -C{} '(- *)--help[prints all flags and commands]' '(- *)--version[prints the version]' \
             '1:command:->command' '*::argument:->argument'\n    \
             case $state in\n        \
                 command) _describe command commands ;;\n        \
                 argument) case $line[1] in\n{cases}        esac ;;\n    \
             esac\n\
         }}\n\
         if [ \"$funcstack[1]\" = _zigcheck ]; then _zigcheck \"$@\"; else compdef _zigcheck zigcheck; fi\n",
        zsh_flags(&all_flags()),
    )
}

fn zsh_flags(flags: &[Flag]) -> String {
    let line = |flag: &Flag| {
        let meaning = quoted(flag.meaning).replace('[', "\\[").replace(']', "\\]");
        match flag.values {
            Values::None => format!(" \\\n        '--{}[{meaning}]'", flag.name),
            values => format!(
                " \\\n        '--{}=[{meaning}]:value:{}'",
                flag.name,
                zsh_offer(values)
            ),
        }
    };
    flags.iter().map(line).collect()
}

fn zsh_offer(values: Values) -> String {
    match values {
        Values::None | Values::Any => " ".to_string(),
        Values::Words(words) => format!("({})", words.join(" ")),
        Values::Files => "_files".to_string(),
        Values::Directories => "_files -/".to_string(),
    }
}

/// Text between the single quotes of a shell.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn fish() -> String {
    let names = names();
    let none = format!("not __fish_seen_subcommand_from {names}");
    let mut script = String::from(
        "# Completions of zigcheck for fish, made by `zigcheck completions fish`.\ncomplete -c zigcheck -f\n",
    );
    for command in COMMANDS {
        let (name, meaning) = (command.name, fish_quoted(command.meaning));
        script += &format!("complete -c zigcheck -n '{none}' -a {name} -d '{meaning}'\n");
    }
    for flag in all_flags() {
        script += &fish_flag(&flag, &none);
    }
    for (name, meaning) in [
        ("help", "prints all flags and commands"),
        ("version", "prints the version"),
    ] {
        script += &format!("complete -c zigcheck -n '{none}' -l {name} -d '{meaning}'\n");
    }
    for command in COMMANDS {
        let seen = format!("__fish_seen_subcommand_from {}", command.name);
        for flag in flags_of(command) {
            script += &fish_flag(&flag, &seen);
        }
        if !command.operand.is_empty() {
            script += &format!(
                "complete -c zigcheck -n '{seen}' {}\n",
                fish_offer(command.values)
            );
        }
    }
    script
}

fn fish_flag(flag: &Flag, condition: &str) -> String {
    let (name, meaning) = (flag.name, fish_quoted(flag.meaning));
    let value = match flag.values {
        Values::None => "-f".to_string(),
        values => format!("-r {}", fish_offer(values)),
    };
    format!("complete -c zigcheck -n '{condition}' -l {name} {value} -d '{meaning}'\n")
}

fn fish_offer(values: Values) -> String {
    match values {
        Values::None | Values::Any => "-f".to_string(),
        Values::Words(words) => format!("-f -a '{}'", words.join(" ")),
        Values::Files => "-F".to_string(),
        Values::Directories => "-f -a '(__fish_complete_directories)'".to_string(),
    }
}

/// Text between the single quotes of fish.
fn fish_quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}
