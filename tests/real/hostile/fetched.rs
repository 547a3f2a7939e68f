//! What a fetch comes to, and helpers of the tests that fetch.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::common::server::{PATIENCE, Server};
use crate::exchange::fed;
use serde_json::Value;

pub fn manifest(name: &str, urls: &[&str]) -> String {
    // The upper half of a fingerprint is the CRC-32 of the name.
    let mut crc = flate2::Crc::new();
    crc.update(name.as_bytes());
    let fingerprint = u64::from(crc.sum()) << 32 | 0x2a;
    let one = |(nth, url): (usize, &&str)| format!(".d{nth} = .{{ .url = \"{url}\" }}, ");
    let dependencies: String = urls.iter().enumerate().map(one).collect();
    format!(
        ".{{ .name = .{name}, .version = \"0.0.1\", .fingerprint = 0x{fingerprint:x},\n\
         .dependencies = .{{ {dependencies}}},\n.paths = .{{\"\"}} }}\n"
    )
}

pub struct Fetched {
    pub code: i32,
    pub words: String,
    pub head: Value,
    /// What the archive holds: its entries' names, and all of it unpacked.
    pub names: Vec<String>,
    pub tar: Vec<u8>,
}

impl Fetched {
    pub fn of(output: Output) -> Fetched {
        let end = output.stdout.iter().position(|byte| *byte == b'\n');
        let (head, packed) = output.stdout.split_at(end.map_or(0, |end| end + 1));
        let mut tar = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(packed);
        let _ = std::io::copy(&mut gzip, &mut tar);
        let mut archive = tar::Archive::new(&tar[..]);
        let entries = archive.entries().into_iter().flatten().flatten();
        let name =
            |entry: tar::Entry<&[u8]>| String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        Fetched {
            code: output.status.code().unwrap_or(-1),
            words: words_of(&output),
            head: serde_json::from_slice(head).unwrap_or(Value::Null),
            names: entries.map(name).collect(),
            tar,
        }
    }

    pub fn holds(&self, words: &[u8]) -> bool {
        self.tar.windows(words.len()).any(|window| window == words)
    }
}

pub fn words_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a container to its end, and removes it.
pub fn run(argv: &[String], input: &[u8]) -> Output {
    let output = fed(Command::new(&argv[0]).args(&argv[1..]), input);
    let names = argv.iter().find_map(|word| word.strip_prefix("--name="));
    let mut remove = Command::new(&argv[0]);
    let _ = remove
        .args(["rm", "--force", names.expect("a name")])
        .output();
    output
}

/// The server's health, once it is so.
pub fn until(server: &Server, is_there: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let health = server.curl(&[], "/api/health").json();
        if is_there(&health) {
            return health;
        }
        assert!(start.elapsed() < PATIENCE, "it never came to it: {health}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
