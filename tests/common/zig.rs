//! Packages for real Zig, and what a real engine has of a server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::server::scratch;

/// A `build.zig` that all four versions take: `test` runs this command of the shell.
pub fn build_zig(command: &str) -> String {
    format!(
        "const std = @import(\"std\");\n\
         pub fn build(b: *std.Build) void {{\n\
         \x20   const run = b.addSystemCommand(&.{{ \"bash\", \"-c\", {command:?} }});\n\
         \x20   run.has_side_effects = true;\n\
         \x20   b.step(\"test\", \"the command\").dependOn(&run.step);\n\
         }}\n"
    )
}

/// The tree that `zig init` of that version makes, in a directory of its own.
pub fn zig_init(version: &str) -> PathBuf {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let nth = MADE.fetch_add(1, Ordering::Relaxed);
    let dir = scratch(&format!("init-{}-{version}-{nth}", std::process::id())).join("hello");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a directory");
    // A container of ours has /work as a file system, and makes its /tmp there.
    let script = "mkdir -p /work/tmp && cp -r /opt/zigcheck/cache /tmp/c && export ZIG_GLOBAL_CACHE_DIR=/tmp/c && \
        mkdir /tmp/hello && cd /tmp/hello && zig init >&2 && tar cf - .";
    let image = format!("zigcheck:{version}");
    let made = Command::new("docker")
        .args([
            "run",
            "--rm",
            "--network=none",
            "--pull=never",
            "--user=0",
            &image,
        ])
        .args(["bash", "-c", script])
        .output()
        .expect("docker is installed");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "zig init in {image}: {errors}");
    let mut tar = tar::Archive::new(&made.stdout[..]);
    tar.unpack(&dir).expect("a tree");
    dir
}

/// The archive of a directory, as the readme's curl line makes it.
pub fn packed(dir: &Path) -> PathBuf {
    let path = dir.with_extension("tar.gz");
    let done = Command::new("tar")
        .arg("-C")
        .arg(dir)
        .arg("-czf")
        .arg(&path)
        .arg(".")
        .status();
    assert!(done.expect("tar is installed").success());
    path
}

/// Containers of that data directory, as the engine has them that this command talks to.
pub fn containers_of(data: &Path, docker: &str) -> String {
    let db = rusqlite::Connection::open(data.join("zigcheck.db")).expect("a database");
    let id: String = db
        .query_row("SELECT id FROM server", [], |row| row.get(0))
        .expect("an id");
    let filter = format!("label=zigcheck.data={id}");
    let listed = Command::new(docker)
        .args(["ps", "-aq", "--filter", &filter])
        .output();
    let listed = listed.expect("docker is installed");
    assert!(listed.status.success(), "{listed:?}");
    String::from_utf8(listed.stdout).expect("ids")
}

/// Lines that can be told apart, of bytes that are no text, with a pause behind each and no end of
/// the last one.
pub struct Numbers {
    pub name: &'static str,
    pub lines: usize,
    pub pause_s: f64,
}

impl Numbers {
    pub fn build_zig(&self) -> String {
        let (name, lines, pause) = (self.name, self.lines, self.pause_s);
        build_zig(&format!(
            "for n in $(seq {lines}); do printf '{name} %04d \\377\\000\\n' $n; sleep {pause}; done >&2; \
             printf '{name} ends' >&2"
        ))
    }

    pub fn said(&self) -> Vec<u8> {
        let line = |n: usize| [format!("{} {n:04} ", self.name).as_bytes(), b"\xff\x00\n"].concat();
        let lines: Vec<u8> = (1..=self.lines).flat_map(line).collect();
        [&lines[..], format!("{} ends", self.name).as_bytes()].concat()
    }
}

/// Whether that stands in a log once, and none of its lines elsewhere.
pub fn stands_once(log: &[u8], said: &[u8], name: &str) -> bool {
    let count = |what: &[u8], of: &[u8]| of.windows(what.len()).filter(|w| *w == what).count();
    let word = format!("{name} ");
    count(said, log) == 1 && count(word.as_bytes(), log) == count(word.as_bytes(), said)
}

/// What a log says in the last attempt of its build.
pub fn of_last_attempt(log: &[u8]) -> &[u8] {
    let word = b" follows]\n";
    let last = log.windows(word.len()).rposition(|found| found == word);
    &log[last.map_or(0, |at| at + word.len())..]
}

/// The same, without what takes its time and its place.
pub fn without_times(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(of_last_attempt(log));
    let measure = |word: &str| {
        let ends = ["ns", "us", "ms", "s", "m"].iter();
        let is_time = word.starts_with(|c: char| c.is_ascii_digit())
            && ends.clone().any(|unit| word.ends_with(unit));
        is_time || word.starts_with("MaxRSS:")
    };
    let line = |line: &str| {
        let words = line.split(' ');
        let words: Vec<&str> = words
            .map(|word| if measure(word) { "N" } else { word })
            .collect();
        words.join(" ")
    };
    log.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
