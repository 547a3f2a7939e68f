//! What packages that broke in the same way have in common: the first error of a build's `error_log`, and where it is.

pub use crate::app::domain::error_place::Place;
use crate::app::domain::error_place::{package_hash, path_of, split_location};
use crate::app::domain::error_text::generic;
use crate::app::domain::limits::ERROR_KEY_LIMIT_BYTES;

/// The first error of a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorKey {
    /// The message without paths, numbers, addresses and type arguments; at most `ERROR_KEY_LIMIT_BYTES`.
    pub key: String,
    pub place: Place,
}

/// How much a line says about the cause; more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// That something failed, and no more.
    Wrapper,
    /// Any other text.
    Text,
    /// Which command failed, or that a test ended early.
    Command,
    /// What a command lacked.
    Hint,
    /// The error itself.
    Error,
}

/// What one line says.
struct Found<'t> {
    weight: Weight,
    message: String,
    path: Option<&'t str>,
    place: Option<Place>,
}

impl<'t> Found<'t> {
    fn new(weight: Weight, message: impl Into<String>) -> Found<'t> {
        Found {
            weight,
            message: message.into(),
            path: None,
            place: None,
        }
    }

    fn error(path: Option<&'t str>, message: impl Into<String>) -> Found<'t> {
        Found {
            path,
            ..Found::new(Weight::Error, message)
        }
    }
}

/// The first error of an error log; none if the log says nothing.
pub fn error_key(error_log: &str) -> Option<ErrorKey> {
    let lines: Vec<&str> = error_log.lines().collect();
    let mut best: Option<(Weight, String, usize, Found)> = None;
    for at in 0..lines.len() {
        let Some(found) = read_line(&lines, at) else {
            continue;
        };
        if best
            .as_ref()
            .is_some_and(|(weight, ..)| *weight >= found.weight)
        {
            continue;
        }
        let key = generic(&found.message);
        if key.is_empty() {
            continue;
        }
        best = Some((found.weight, key, at, found));
        if best
            .as_ref()
            .is_some_and(|(weight, ..)| *weight == Weight::Error)
        {
            break;
        }
    }
    let (_, key, at, found) = best?;
    let end = key.floor_char_boundary(ERROR_KEY_LIMIT_BYTES);
    let key = key[..end].trim_end().to_string();
    let place = place(&lines, at, found);
    Some(ErrorKey { key, place })
}

/// What the line `at` says of an error; none for the tree of steps and blank lines.
fn read_line<'t>(lines: &[&'t str], at: usize) -> Option<Found<'t>> {
    let line = lines[at].trim_start();
    if let Some(text) = line.strip_prefix("error:") {
        return Some(read_error(lines, at, text));
    }
    if let Some((location, text)) = line.split_once(": error: ")
        && let Some(path) = path_of(location)
    {
        return Some(Found::error(Some(path), compiler_message(lines, at, text)));
    }
    if let Some(text) = panic_message(line) {
        return Some(Found::error(None, text));
    }
    if let Some(text) = line.strip_prefix("unable to spawn the following command: ") {
        return Some(command(lines, at, text));
    }
    if let Some((fault, _)) = line.split_once(" at address 0x")
        && fault.starts_with(|c: char| c.is_ascii_uppercase())
    {
        return Some(Found::error(None, fault));
    }
    if let Some(from) = line.find("Assertion `") {
        let path = line[..from]
            .split_whitespace()
            .find(|word| word.contains('/'));
        return Some(Found::error(
            path.and_then(|path| path_of(path.trim_end_matches(':'))),
            &line[from..],
        ));
    }
    if at == 0
        && let Some((name, cause)) = line
            .strip_prefix("dependency ")
            .and_then(|text| text.split_once(": "))
    {
        let place = Some(Place::dependency(name));
        return Some(Found {
            place,
            ..Found::error(None, cause)
        });
    }
    if line.starts_with("fatal: ") {
        return Some(Found::error(None, line));
    }
    lacking(line).or_else(|| {
        let next = lines.get(at + 1).map_or("", |line| line.trim_start());
        let is_tree = |line: &str| line.starts_with("+- ") || line.starts_with("Build Summary: ");
        let is_said = !line.is_empty() && !is_tree(line) && !is_tree(next);
        is_said.then(|| said(line))
    })
}

/// What a line says that is in no form of Zig's: a sentence of ours, or of the package.
fn said(line: &str) -> Found<'_> {
    let line = line.split("; memory: ").next().unwrap_or(line);
    match line.split("; these directories have one").next() {
        Some(text) if line.starts_with("there is no build.zig") => Found {
            place: Some(Place::BuildScript),
            ..Found::new(Weight::Text, text)
        },
        _ => Found::new(Weight::Text, line),
    }
}

/// What a shell or pkg-config says of what is not there.
fn lacking(line: &str) -> Option<Found<'_>> {
    let program = line
        .strip_suffix(": not found")
        .or_else(|| line.strip_suffix(": command not found"));
    if let Some(before) = program {
        let program = before.rsplit(": ").next().unwrap_or(before);
        return Some(Found::new(
            Weight::Hint,
            format!("{program}: command not found"),
        ));
    }
    let is_hint = line.ends_with("No such file or directory")
        || (line.starts_with("Package ") && line.contains(" was not found"));
    is_hint.then(|| Found::new(Weight::Hint, line))
}

/// The message of `panic: MESSAGE` or `thread ID panic: MESSAGE`.
fn panic_message(line: &str) -> Option<String> {
    let rest = match line.strip_prefix("thread ") {
        Some(rest) => rest
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start(),
        None => line,
    };
    let text = rest.strip_prefix("panic: ")?;
    Some(format!("panic: {text}"))
}

/// What a line says that begins with `error:`.
fn read_error<'t>(lines: &[&'t str], at: usize, text: &'t str) -> Found<'t> {
    let mut text = text.trim();
    for prefix in [
        "error: ",
        "ld.lld: ",
        "lld-link: ",
        "wasm-ld: ",
        "<inline asm>:",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    if text.is_empty() {
        let next = lines[at + 1..].iter().find(|line| !line.trim().is_empty());
        return Found::error(None, next.map_or("", |line| line.trim()));
    }
    if is_wrapper(text) {
        return Found::new(Weight::Wrapper, text);
    }
    if let Some(found) = test_result(lines, at, text) {
        return found;
    }
    let of_command = [
        "the following command ",
        "process exited",
        "process terminated",
    ];
    if of_command.iter().any(|start| text.starts_with(start)) {
        return command(lines, at, text);
    }
    if let Some((path, message)) = split_location(text) {
        return Found::error(Some(path), message);
    }
    match text.split_once(": ") {
        Some((path, message)) if path.contains('/') && !path.contains([' ', '\'']) => {
            Found::error(Some(path), message)
        }
        _ => Found::error(None, text),
    }
}

/// True for what Zig says after the error.
fn is_wrapper(text: &str) -> bool {
    let starts = [
        "the following build command ",
        "configure command ",
        "translation failure",
    ];
    starts.iter().any(|start| text.starts_with(start))
        || text.ends_with(" compilation errors")
        || text.ends_with(" compilation errors:")
}

/// A message of a compiler, together with its cause where that is the next error.
fn compiler_message(lines: &[&str], at: usize, text: &str) -> String {
    if text != "C import failed" {
        return text.to_string();
    }
    let cause = lines[at + 1..]
        .iter()
        .find_map(|line| line.split_once(": error: "));
    cause.map_or_else(|| text.to_string(), |(_, cause)| format!("{text}: {cause}"))
}

/// What `'NAME' failed: …` and its like say of a test. The names of tests differ; the errors do not.
fn test_result<'t>(lines: &[&'t str], at: usize, text: &'t str) -> Option<Found<'t>> {
    if text.starts_with("while executing test ") {
        let message = match text {
            _ if text.contains(" terminated with ") => "a test crashed",
            _ if text.contains("the following command exited ") => "a test exited",
            _ => return Some(Found::new(Weight::Wrapper, "a test failed")),
        };
        return Some(Found::new(Weight::Command, message));
    }
    let quoted = text.strip_prefix('\'')?;
    let after = |verb: &str| quoted.split_once(verb).map(|(_, rest)| rest.trim());
    if let Some(rest) = after("' failed:") {
        let path = split_location(rest).map(|(path, _)| path);
        // Without the name of an error in the trace, what the test wrote.
        let cause = returned_error(lines, at).or_else(|| {
            let written = lines.get(at + 1).filter(|line| !ends_error(line));
            let text = match rest {
                "" => written.map_or("", |line| line.trim()),
                _ => rest,
            };
            let text = text.trim_matches(['=', ' ']);
            split_location(text).is_none().then_some(text)
        });
        let message = format!("test failed: {}", cause.unwrap_or(""));
        return Some(Found::error(path, message));
    }
    if let Some(rest) = after("' leaked") {
        let path = rest
            .rsplit_once("leaked: ")
            .and_then(|(_, text)| split_location(text));
        return Some(Found::error(
            path.map(|(path, _)| path),
            "test leaked memory",
        ));
    }
    let (weight, message) = match () {
        () if after("' terminated").is_some() => (Weight::Command, "a test crashed"),
        () if after("' exited").is_some() => (Weight::Command, "a test exited"),
        () if after("' logged").is_some() => (Weight::Error, "test logged errors"),
        () if after("' timed out").is_some() => (Weight::Error, "test timed out"),
        () => return None,
    };
    Some(Found::new(weight, message))
}

/// The name of the error that the test which failed in line `at` returned, as its trace shows it.
fn returned_error<'t>(lines: &[&'t str], at: usize) -> Option<&'t str> {
    let trace = lines[at + 1..].iter().take_while(|line| !ends_error(line));
    trace
        .filter(|line| split_location(line.trim_start()).is_none())
        .find_map(|line| {
            let (_, name) = line.split_once("error.")?;
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let name = &name[..end.unwrap_or(name.len())];
            name.starts_with(|c: char| c.is_ascii_uppercase())
                .then_some(name)
        })
}

/// What a command came to that failed. Its program is in the next line, or in that of `failed command: `.
fn command<'t>(lines: &[&'t str], at: usize, text: &str) -> Found<'t> {
    let near = lines[at + 1..].iter().take(4);
    let failed = near
        .clone()
        .find_map(|line| line.trim_start().strip_prefix("failed command: "));
    let line = failed
        .or_else(|| near.clone().next().copied())
        .unwrap_or("")
        .trim();
    let program = match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => line.split(' ').next(),
    };
    let program = match program.unwrap_or("") {
        path if path.contains(".zig-cache/") => "a program of the build",
        "" => "a command",
        path => path.rsplit('/').next().unwrap_or(path),
    };
    let cause = text.trim_end_matches(':').rsplit(' ').next().unwrap_or("");
    let message = match text {
        _ if text.contains("terminated") || text.contains("crashed") => {
            format!("{program} was ended by a signal")
        }
        _ if text.contains("exited") || cause == "ExitCodeFailure" => {
            format!("{program} exited with an error")
        }
        _ => format!("{program} could not be started: {cause}"),
    };
    Found::new(Weight::Command, message)
}

/// True for a line that begins another error, or ends what Zig says of one. What a test wrote is indented.
fn ends_error(line: &str) -> bool {
    line.starts_with("error: ")
        || line.starts_with("failed command: ")
        || line.starts_with("Build Summary: ")
        || line
            .split_once(": error: ")
            .is_some_and(|(location, _)| path_of(location).is_some())
}

/// The place of what the line `at` says: its file or, where that is not the author's, the first file of a trace, a note
/// or a reference that is.
fn place(lines: &[&str], at: usize, found: Found) -> Place {
    let own = own_hash(lines);
    if let Some(place) = found.place.or_else(|| Place::of_file(found.path?, own)) {
        return place;
    }
    let trace = lines[at + 1..].iter().take_while(|line| !ends_error(line));
    let traced = trace
        .filter_map(|line| file_in(line))
        .find_map(|path| Place::of_file(path, own));
    if found.weight == Weight::Error
        && let Some(place) = traced
    {
        return place;
    }
    let ran = |line: &&str| line.starts_with("Build Summary: ");
    let configured = |line: &&str| {
        line.starts_with("error: the following build command")
            || line.starts_with("error: configure command")
    };
    match lines.iter().any(configured) && !lines.iter().any(ran) {
        true => Place::BuildScript,
        false => Place::Package,
    }
}

/// The file of a frame, a note (`PATH:LINE:COLUMN: …`) or a reference (`NAME: PATH:LINE:COLUMN`).
fn file_in(line: &str) -> Option<&str> {
    let line = line.trim();
    let reference = || path_of(line.rsplit_once(": ")?.1);
    split_location(line)
        .map(|(path, _)| path)
        .or_else(reference)
}

/// The hash of the package itself, where the log is that of its use as a dependency.
fn own_hash<'t>(lines: &[&'t str]) -> Option<&'t str> {
    let of_module = |line: &'t str| {
        let (_, path) = line.split_once(" -Mmodule=")?;
        package_hash(path.split(' ').next()?)
    };
    if let Some(hash) = lines.iter().find_map(|line| of_module(line)) {
        return Some(hash);
    }
    // A trace, and a list of references, lead from the package to the script that uses it.
    let is_user = |line: &&str| {
        line.starts_with("/work/run/import/build.zig:") || line.contains(": all.zig:")
    };
    let user = lines.iter().position(is_user)?;
    lines[..user]
        .iter()
        .rev()
        .find_map(|line| package_hash(file_in(line)?))
}
