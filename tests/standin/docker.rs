//! A stand-in for the docker command: behaves as a real engine was seen to, and shows on demand the
//! faults that one will not. What a container does is in the name of its package (`container.rs`).
//!
//! A container is a process of its own that outlives its client. All state is in files, in the
//! directory $STANDIN, or `state` beside the program: for each container a directory of its name with
//!   labels, driver   what it was made with
//!   lock             held by its process for as long as that lives
//!   pid              written by that process as its first act: without it, the container is `created`
//!   stdout, stderr   all it said
//!   exit             its exit code, and `oom` where memory was why; without it, it was killed
//! and beside the directory, with its name and a dot before theirs:
//!   calls            what was asked for and happened: `run NAME`, `whole NAME` (its input has arrived),
//!                    `end NAME CODE`, `rm NAMES`, `kill NAME`
//!   down             while it is there, the engine is not
//!   info             what `info` prints, where another engine than a whole one is wanted
//!   images           what `images` prints, where others than the four are wanted
//!   pause            how many milliseconds lie between making a container and starting it, or fewer if the file goes
//!   owner            a process id: containers end when that process is gone
//!   network          there is a network of fetches
//!   commit           what the commit of every repository is made from, for remotes that change
//!   breaks           while it is there, builds of `turning` fail
//!   go               ends the builds of `slowly` and `stepwise`
//!   steps            a byte for each line that the build of `stepwise` writes
//!
//! Compiled by the tests with rustc alone: nothing but the standard library.

mod attach;
mod container;
mod frame;
mod noise;
mod sys;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::time::{Duration, Instant};

/// The engine's own exit code: the container was not made, or not started.
const REFUSED: i32 = 125;

/// Where the state is.
pub struct Place {
    state: PathBuf,
}

impl Place {
    fn find() -> Place {
        let beside = || {
            let program = std::env::args_os().next().expect("a program has a name");
            PathBuf::from(program).with_file_name("state")
        };
        let named = std::env::var_os("STANDIN").map(PathBuf::from);
        Place {
            state: named.unwrap_or_else(beside),
        }
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.state.with_extension(name)
    }

    pub fn container(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    pub fn is_down(&self) -> bool {
        self.beside("down").exists()
    }

    pub fn note(&self, line: &str) {
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.beside("calls"));
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

pub fn refuse(code: i32, why: &str) -> i32 {
    eprintln!("{why}");
    code
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let place = Place::find();
    let (command, rest) = match words.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => exit(refuse(1, "no command")),
    };
    if command == container::BE {
        container::be(&place, rest);
    }
    if place.is_down() {
        let why = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. \
                   Is the docker daemon running?";
        exit(match command {
            "run" => refuse(REFUSED, &format!("docker: {why}")),
            _ => refuse(1, why),
        });
    }
    let last = rest.last().map_or("", String::as_str);
    let code = match command {
        "info" => info(&place),
        "images" => images(&place),
        "ps" => list(&place, rest),
        "inspect" => inspect(&place, last),
        "logs" => attach::logs(&place, last, rest.iter().any(|word| word == "--follow")),
        "exec" => execute(&place, rest),
        "kill" => kill(&place, last),
        "rm" => remove(&place, rest.iter().filter(|word| !word.starts_with("--"))),
        "network" => network(&place, rest),
        "run" => run(&place, rest),
        _ => refuse(1, &format!("docker: '{command}' is not a docker command.")),
    };
    exit(code)
}

fn info(place: &Place) -> i32 {
    let whole = "{\"MemoryLimit\": true, \"SwapLimit\": true, \"CpuCfsQuota\": true, \"PidsLimit\": true, \
        \"SecurityOptions\": [\"name=seccomp,profile=default\", \"name=userns\"]}";
    println!(
        "{}",
        fs::read_to_string(place.beside("info")).unwrap_or_else(|_| whole.to_string())
    );
    0
}

fn images(place: &Place) -> i32 {
    let of = |version| format!("zigcheck:{version} sha256:{version}\n");
    let four = || ["0.17.1", "0.16.0", "0.15.2", "0.14.1"].map(of).concat();
    print!(
        "{}",
        fs::read_to_string(place.beside("images")).unwrap_or_else(|_| four())
    );
    0
}

/// There is one network at most, as `systemd/fetch-network` makes it; nobody is in it.
fn network(place: &Place, words: &[String]) -> i32 {
    let file = place.beside("network");
    match words.first().map(String::as_str) {
        Some("create") => File::create(file).map_or(1, |_| 0),
        Some("rm") => fs::remove_file(file).map_or(1, |()| 0),
        Some("inspect") if file.exists() => {
            let of_members = words.iter().any(|word| word.contains("Containers"));
            println!("{}", if of_members { "" } else { "zigcheck0 false" });
            0
        }
        _ => refuse(1, "Error response from daemon: network not found"),
    }
}

fn list(place: &Place, words: &[String]) -> i32 {
    let filter = words
        .iter()
        .find_map(|word| word.strip_prefix("--filter=label="));
    let names = fs::read_dir(&place.state).into_iter().flatten().flatten();
    for entry in names {
        let labels = fs::read_to_string(entry.path().join("labels"));
        let wanted = |labels: String| filter.is_none_or(|label| labels.lines().any(|l| l == label));
        if labels.is_ok_and(wanted) {
            println!("{}", entry.file_name().display());
        }
    }
    0
}

pub enum State {
    Created,
    Running,
    /// With its exit code, and whether memory was why.
    Exited(i32, bool),
}

pub fn state(container: &Path) -> Option<State> {
    let lock = File::open(container.join("lock")).ok()?;
    let runs = lock.try_lock_shared().is_err();
    let started = container.join("pid").exists();
    // The lock of a client on its way to start it, too.
    Some(match (started, runs) {
        (false, _) => State::Created,
        (true, true) => State::Running,
        (true, false) => {
            let (code, oom) = exit_of(container);
            State::Exited(code, oom)
        }
    })
}

pub fn exit_of(container: &Path) -> (i32, bool) {
    let said = fs::read_to_string(container.join("exit")).unwrap_or_default();
    let (code, why) = said.split_once(' ').unwrap_or((&said, ""));
    (code.parse().unwrap_or(137), why == "oom")
}

fn label(container: &Path, name: &str) -> String {
    let labels = fs::read_to_string(container.join("labels")).unwrap_or_default();
    let values = labels.lines().filter_map(|line| line.split_once('='));
    let mut named = values.filter(|(label, _)| *label == name);
    named
        .next()
        .map_or(String::new(), |(_, value)| value.to_string())
}

pub fn no_such(name: &str) -> i32 {
    refuse(
        1,
        &format!("Error response from daemon: No such container: {name}"),
    )
}

fn inspect(place: &Place, name: &str) -> i32 {
    let container = place.container(name);
    let Some(state) = state(&container) else {
        println!();
        return no_such(name);
    };
    let (oom, word, code) = match state {
        State::Created => (false, "created", 0),
        State::Running => (false, "running", 0),
        State::Exited(code, oom) => (oom, "exited", code),
    };
    println!("{oom} {word} {code}");
    0
}

/// A file of the container is asked for: that of its memory's peak.
fn execute(place: &Place, words: &[String]) -> i32 {
    let name = words.iter().find(|word| !word.starts_with('-'));
    let name = name.map_or("", String::as_str);
    match state(&place.container(name)) {
        None => no_such(name),
        Some(State::Running) => {
            println!("104857600");
            0
        }
        Some(_) => refuse(
            1,
            &format!("Error response from daemon: container {name} is not running"),
        ),
    }
}

fn kill(place: &Place, name: &str) -> i32 {
    place.note(&format!("kill {name}"));
    let container = place.container(name);
    match state(&container) {
        None => no_such(name),
        Some(State::Running) => {
            if !container.join("stubborn").exists() {
                sys::kill_all_of(&container);
            }
            println!("{name}");
            0
        }
        Some(_) => refuse(
            1,
            &format!("Error response from daemon: Container {name} is not running"),
        ),
    }
}

/// As `rm --force` does it: one that is not there is said, and is no failure.
fn remove<'a>(place: &Place, names: impl Iterator<Item = &'a String>) -> i32 {
    let names: Vec<&str> = names.map(String::as_str).collect();
    place.note(&format!("rm {}", names.join(" ")));
    for name in names {
        let gone = place.beside(&format!("gone-{}", std::process::id()));
        if end(&place.container(name)) && fs::rename(place.container(name), &gone).is_ok() {
            println!("{name}");
        } else {
            no_such(name);
        }
        let _ = fs::remove_dir_all(&gone);
    }
    0
}

/// Ends what runs in it, whatever it is; false where there is no such container.
fn end(container: &Path) -> bool {
    loop {
        let Ok(lock) = File::open(container.join("lock")) else {
            return false;
        };
        // Its client may be about to start it, and its process about to say who it is.
        match lock.try_lock() {
            // Held until it is gone: nobody starts it in between.
            Ok(()) => {
                std::mem::forget(lock);
                return true;
            }
            Err(_) if lock.try_lock_shared().is_err() => sys::kill_all_of(container),
            // Somebody is looking at it.
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What `run` was asked for.
struct Asked<'a> {
    name: &'a str,
    labels: Vec<&'a str>,
    driver: &'a str,
    command: &'a [String],
}

fn asked(words: &[String]) -> Asked<'_> {
    let image = words.iter().position(|word| !word.starts_with("--"));
    let (options, command) = words.split_at(image.unwrap_or(words.len()));
    let values = |name: &'static str| {
        options
            .iter()
            .filter_map(move |word| word.strip_prefix(name))
    };
    Asked {
        name: values("--name=").next().unwrap_or("nameless"),
        labels: values("--label=").collect(),
        driver: values("--log-driver=").next().unwrap_or("json-file"),
        command: command.get(1..).unwrap_or(&[]),
    }
}

fn run(place: &Place, words: &[String]) -> i32 {
    let asked = asked(words);
    // Its container is gone before anybody could look at it.
    if (asked.command.first()).is_some_and(|script| script.ends_with("/probe-network")) {
        println!("closed");
        return 0;
    }
    let input = match asked.command.first() {
        // Sources have no input.
        Some(script) if script.ends_with("/build") || script.ends_with("/fetch-deps") => {
            first_line()
        }
        _ => Vec::new(),
    };
    let package = container::package(&input);
    let once = place.beside("once");
    let refused =
        package == "refused" || (package == "refused-once" && File::create_new(once).is_ok());
    if refused {
        return refuse(REFUSED, "docker: no such luck");
    }
    let container = place.container(asked.name);
    if let Err(why) = create(place, &asked, &container) {
        return refuse(REFUSED, &why);
    }
    pause(place);
    if package == "unstartable" {
        return refuse(
            REFUSED,
            "docker: Error response from daemon: OCI runtime create failed",
        );
    }
    match start(place, &asked, &container) {
        Ok(stdin) => attach::show(place, &container, stdin, input),
        Err(why) => refuse(REFUSED, &why),
    }
}

/// As long as the file says, and is there.
fn pause(place: &Place) {
    let begun = Instant::now();
    let left = || {
        let ms = fs::read_to_string(place.beside("pause")).ok()?;
        let pause = Duration::from_millis(ms.trim().parse().expect("milliseconds"));
        pause.checked_sub(begun.elapsed())
    };
    while let Some(left) = left().filter(|left| !left.is_zero()) {
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// What stands on standard input, up to and with the first line, and what came with it.
fn first_line() -> Vec<u8> {
    let mut input = Vec::new();
    let mut piece = [0; 4096];
    while !input.contains(&b'\n') {
        match std::io::stdin().read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(count) => input.extend(&piece[..count]),
        }
    }
    input
}

/// Made elsewhere and moved to its place: a name is a lock.
fn create(place: &Place, asked: &Asked, container: &Path) -> Result<(), String> {
    let new = place.beside(&format!("new-{}", std::process::id()));
    let made = || -> std::io::Result<()> {
        fs::create_dir(&new)?;
        fs::write(new.join("labels"), asked.labels.join("\n"))?;
        fs::write(new.join("driver"), asked.driver)?;
        for name in ["lock", "stdout", "stderr"] {
            File::create(new.join(name))?;
        }
        fs::rename(&new, container)
    };
    made().map_err(|error| {
        let _ = fs::remove_dir_all(&new);
        let name = asked.name;
        match container.exists() {
            true => format!(
                "docker: Error response from daemon: Conflict. The container name \"/{name}\" is already \
                 in use."
            ),
            false => format!("docker: {error}"),
        }
    })
}

/// The container's process, with its lock; gives the pipe to its standard input.
fn start(
    place: &Place,
    asked: &Asked,
    container: &Path,
) -> Result<std::process::ChildStdin, String> {
    let gone = || {
        format!(
            "docker: Error response from daemon: No such container: {}",
            asked.name
        )
    };
    let lock = File::options()
        .write(true)
        .open(container.join("lock"))
        .map_err(|_| gone())?;
    lock.lock().map_err(|error| error.to_string())?;
    // Removed while we waited for it?
    if !sys::is_at(&lock, &container.join("lock")) {
        return Err(gone());
    }
    let open = |name| File::options().append(true).open(container.join(name));
    let build = label(container, "zigcheck.build");
    let program = std::env::args_os().next().expect("a program has a name");
    let mut command = Command::new("/proc/self/exe");
    std::os::unix::process::CommandExt::arg0(&mut command, program);
    command
        .args([container::BE, asked.name, &build])
        .args(asked.command)
        .stdin(Stdio::piped())
        .stdout(open("stdout").map_err(|_| gone())?)
        .stderr(open("stderr").map_err(|_| gone())?);
    sys::in_a_session_of_its_own(&mut command, &lock);
    place.note(&format!("run {}", asked.name));
    let mut child = command
        .spawn()
        .map_err(|error| format!("docker: {error}"))?;
    Ok(child.stdin.take().expect("it is piped"))
}
