//! The command line's words: what the program is asked for, and a row for each command beside serving.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::settings::{Hosts, Settings};

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
    /// Takes over the database `from` of the system before this one.
    Import {
        data: PathBuf,
        from: PathBuf,
        hosts: Hosts,
    },
    /// Submits the packages of a list to the server there.
    ImportUrls {
        list: PathBuf,
        server: String,
    },
    /// Examines all that a server of these settings needs.
    Doctor {
        settings: Box<Settings>,
        /// Where backups are; none: in the data directory.
        backups: Option<PathBuf>,
        builds: bool,
        json: bool,
    },
    /// Makes the call of an admin that the words say; without a word it lists them.
    Admin {
        settings: Box<Settings>,
        words: Vec<String>,
        /// Where the admin socket may be, in this order.
        sockets: Vec<PathBuf>,
        /// Where the server is; none: where the settings say.
        server: Option<String>,
        token_file: Option<PathBuf>,
    },
    /// Prints the manual page.
    Man,
    /// Prints the completions of a shell.
    Completions(Shell),
    Help,
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// A command. Help, manual page and completions are made from these rows.
pub struct Command {
    pub name: &'static str,
    /// What follows the name, as the help shows it; empty if nothing does.
    pub operand: &'static str,
    /// What a shell offers for that.
    pub values: Values,
    /// Its own options.
    pub options: &'static [CommandOption],
    /// The flags of settings that it takes.
    pub settings: &'static [&'static str],
    pub meaning: &'static str,
    read: fn(&Given) -> Result<Invocation, String>,
}

/// An option of commands that is no setting.
pub struct CommandOption {
    pub flag: &'static str,
    /// Its value, as the help shows it; empty if it has none.
    pub value: &'static str,
    pub values: Values,
    pub meaning: &'static str,
}

/// What a shell offers for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// There is no value.
    None,
    Any,
    Words(&'static [&'static str]),
    Files,
    Directories,
}

/// What stands on the command line of a command.
pub struct Given {
    pub operands: Vec<OsString>,
    /// Its own options.
    pub options: Vec<(&'static str, String)>,
    pub settings: Settings,
}

/// The calls of `admin`. A test compares them with what it makes of them.
pub const ADMIN_WORDS: &[&str] = &[
    "status",
    "queue",
    "packages",
    "audit",
    "tokens",
    "make-token",
    "delete-token",
    "quotas",
    "quota",
    "ban",
    "end-quota",
    "hosts",
    "allow",
    "disallow",
    "nodes",
    "drain-node",
    "resume-node",
    "issues",
    "set-issue",
    "drain",
    "undrain",
    "cancel",
    "rename",
    "move",
    "pause",
    "resume",
    "delete",
    "check",
    "check-remotes",
    "check-all",
    "retry-errors",
    "end-searches",
];

/// Where the service has its admin socket.
const SERVICE_SOCKET: &str = "/run/zigcheck/admin.sock";

/// The most settings that the help shows for one command.
const SETTINGS_SHOWN: usize = 3;

const SHELLS: [(&str, Shell); 3] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
];

/// All commands, in the order of the help. A new one is a row here and a variant of `Invocation`.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "backup",
        operand: "DIRECTORY",
        values: Values::Directories,
        options: &[CommandOption {
            flag: "keep",
            value: "NUMBER",
            values: Values::Any,
            meaning: "number of backups that stay, the newest ones; all if it is not given",
        }],
        settings: &["data"],
        meaning: "copies the data into a new directory of DIRECTORY while the server runs",
        read: |given| {
            Ok(Invocation::Backup {
                data: given.settings.data.clone(),
                to: given.directory("backup")?,
                keep: given.option("keep").map(read_keep).transpose()?,
            })
        },
    },
    Command {
        name: "restore",
        operand: "BACKUP",
        values: Values::Directories,
        options: &[],
        settings: &["data"],
        meaning: "puts a backup in place of the data of a server that is stopped",
        read: |given| {
            Ok(Invocation::Restore {
                data: given.settings.data.clone(),
                from: given.directory("restore")?,
            })
        },
    },
    Command {
        name: "import",
        operand: "FILE",
        values: Values::Files,
        options: &[
            CommandOption {
                flag: "urls",
                value: "LIST",
                values: Values::Files,
                meaning: "in place of FILE: submits packages to a server that runs; a line is URL [REF] [NAME]",
            },
            CommandOption {
                flag: "server",
                value: "URL",
                values: Values::Any,
                meaning: "that server; http://127.0.0.1:3000 if it is not given",
            },
        ],
        settings: &["data", "allow-hosts"],
        meaning: "takes over a database of the system before this one, while the server is stopped",
        read: read_import,
    },
    Command {
        name: "doctor",
        operand: "",
        values: Values::Any,
        options: &[
            switch("json", "prints JSON"),
            switch("quick", "builds nothing"),
            CommandOption {
                flag: "backups",
                value: "DIRECTORY",
                values: Values::Directories,
                meaning: "where backups are; if it is not given, backups in the data",
            },
        ],
        settings: &[
            "listen",
            "data",
            "docker",
            "zig-versions",
            "memory",
            "cpus",
            "fetch-network",
            "disk-floor",
            "admin-token-file",
        ],
        meaning: "examines all that a server needs, and says what to do",
        read: |given| {
            given.no_operand("doctor")?;
            Ok(Invocation::Doctor {
                settings: Box::new(given.settings.clone()),
                backups: given.option("backups").map(PathBuf::from),
                builds: given.option("quick").is_none(),
                json: given.option("json").is_some(),
            })
        },
    },
    Command {
        name: "admin",
        operand: "CALL",
        values: Values::Words(ADMIN_WORDS),
        options: &[
            CommandOption {
                flag: "server",
                value: "URL",
                values: Values::Any,
                meaning: "the server to call; that of --listen if it is not given",
            },
            CommandOption {
                flag: "token-file",
                value: "FILE",
                values: Values::Files,
                meaning: "file with its admin token, in place of the socket",
            },
        ],
        settings: &["listen", "data", "admin-socket", "admin-token-file"],
        meaning: "changes what a running server does, over its admin socket; without CALL it lists the calls",
        read: |given| {
            Ok(Invocation::Admin {
                settings: Box::new(given.settings.clone()),
                words: given.texts("admin")?,
                sockets: given.admin_sockets(),
                server: given.option("server").map(str::to_string),
                token_file: given.option("token-file").map(PathBuf::from),
            })
        },
    },
    Command {
        name: "man",
        operand: "",
        values: Values::Any,
        options: &[],
        settings: &[],
        meaning: "prints the manual page: zigcheck man | man -l -",
        read: |given| match given.operands[..] {
            [] => Ok(Invocation::Man),
            _ => Err("man: takes nothing: see --help".to_string()),
        },
    },
    Command {
        name: "completions",
        operand: "SHELL",
        values: Values::Words(&["bash", "zsh", "fish"]),
        options: &[],
        settings: &[],
        meaning: "prints the completions for bash, zsh or fish",
        read: |given| {
            let shell = match &given.operands[..] {
                [word] => SHELLS.iter().find(|(name, _)| word == name),
                _ => None,
            };
            let (_, shell) = shell.ok_or("completions: takes bash, zsh or fish: see --help")?;
            Ok(Invocation::Completions(*shell))
        },
    },
];

/// An option without a value.
const fn switch(flag: &'static str, meaning: &'static str) -> CommandOption {
    CommandOption {
        flag,
        value: "",
        values: Values::None,
        meaning,
    }
}

/// True for an option of commands that has no value.
pub fn is_switch(flag: &str) -> bool {
    let mut options = COMMANDS.iter().flat_map(|command| command.options);
    options.any(|option| option.flag == flag && option.values == Values::None)
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// An option of commands, with the names of those that take it; none if no command has it.
pub fn find_option(flag: &str) -> Option<(&'static str, String)> {
    let has = |command: &&Command| command.options.iter().any(|option| option.flag == flag);
    let takers: Vec<&Command> = COMMANDS.iter().filter(has).collect();
    let mut options = takers.first()?.options.iter();
    let option = options.find(|option| option.flag == flag)?;
    let names: Vec<&str> = takers.iter().map(|command| command.name).collect();
    Some((option.flag, names.join(" or ")))
}

impl Command {
    /// As the help shows its use: name, operand, options and settings.
    pub fn usage(&self) -> String {
        let mut text = self.name.to_string();
        if !self.operand.is_empty() {
            text += &format!(" {}", self.operand);
        }
        for option in self.options {
            let option = format!("--{} {}", option.flag, option.value);
            text += &format!(" [{}]", option.trim_end());
        }
        // A command that takes many takes them as the server does.
        if self.settings.len() > SETTINGS_SHOWN {
            return text + " [--FLAG VALUE]...";
        }
        for flag in self.settings {
            text += &format!(" [--{flag} VALUE]");
        }
        text
    }

    pub fn has_option(&self, flag: &str) -> bool {
        self.options.iter().any(|option| option.flag == flag)
    }

    /// What these words ask for.
    pub fn read(&self, given: &Given) -> Result<Invocation, String> {
        (self.read)(given)
    }
}

impl Given {
    /// The value of an option: the last of two equal ones counts.
    fn option(&self, flag: &str) -> Option<&str> {
        let mut given = self.options.iter().rev();
        let (_, value) = given.find(|(name, _)| *name == flag)?;
        Some(value)
    }

    /// Where the admin socket may be of the server that the command line names, or of the service.
    fn admin_sockets(&self) -> Vec<PathBuf> {
        let has = |flag: &str| self.option(flag).is_some();
        let named = self.settings.admin_socket.clone().into_iter();
        let service = Some(PathBuf::from(SERVICE_SOCKET));
        match () {
            () if has("server") || has("token-file") => Vec::new(),
            () if has("admin-socket") || has("data") => named.collect(),
            () if has("listen") => Vec::new(),
            () => named.chain(service).collect(),
        }
    }

    /// The operands, which are text.
    fn texts(&self, command: &str) -> Result<Vec<String>, String> {
        let text = |word: &OsString| {
            let text = word.to_str().map(str::to_string);
            text.ok_or_else(|| format!("{command}: {word:?} is not UTF-8"))
        };
        self.operands.iter().map(text).collect()
    }

    fn no_operand(&self, command: &str) -> Result<(), String> {
        match self.operands.is_empty() {
            true => Ok(()),
            false => Err(format!("{command}: takes nothing: see --help")),
        }
    }

    /// The one operand, a directory.
    fn directory(&self, command: &str) -> Result<PathBuf, String> {
        self.path(command, "directory")
    }

    /// The one operand, a file.
    fn file(&self, command: &str) -> Result<PathBuf, String> {
        self.path(command, "file")
    }

    fn path(&self, command: &str, what: &str) -> Result<PathBuf, String> {
        match &self.operands[..] {
            [path] => Ok(PathBuf::from(path)),
            _ => Err(format!("{command}: takes one {what}: see --help")),
        }
    }
}

fn read_keep(value: &str) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("--keep {value}: must be a number from 1"))
}

fn read_import(given: &Given) -> Result<Invocation, String> {
    let server = given.option("server");
    match given.option("urls") {
        Some(list) if given.operands.is_empty() => Ok(Invocation::ImportUrls {
            list: PathBuf::from(list),
            server: server.unwrap_or("http://127.0.0.1:3000").to_string(),
        }),
        Some(_) => Err("import: takes one file or --urls: see --help".to_string()),
        None if server.is_some() => Err("--server: only with --urls: see --help".to_string()),
        None => Ok(Invocation::Import {
            data: given.settings.data.clone(),
            from: given.file("import")?,
            hosts: given.settings.allow_hosts.clone(),
        }),
    }
}
