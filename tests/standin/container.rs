//! What containers do, by the name of their package.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::thread::sleep;
use std::time::Duration;

use crate::frame::{archive, sha256};
use crate::noise::{Ending, Noise};
use crate::{Place, sys};

/// The command of this program that is a container: name, build, script, arguments.
pub const BE: &str = "--be";

/// Long after every test: nothing is left behind for ever.
const LIFE_LIMIT_S: u32 = 1_800;
const FLOOD_LINE: &str = "a flood of words that fills a pipe at once and never ends\n";
/// Several times what is kept of a log.
const DELUGE_BYTES: usize = 24 << 20;
/// How fast a flood comes, and its limit: it goes to the disk.
const FLOOD_PIECE_BYTES: usize = 1 << 20;
const FLOOD_PAUSE: Duration = Duration::from_millis(40);
const FLOOD_LIMIT_BYTES: usize = 400 << 20;

struct Container<'a> {
    place: &'a Place,
    name: &'a str,
    dir: PathBuf,
    build: &'a str,
    package: String,
    version: String,
    nonce: String,
}

/// The package in the head line of an input.
pub fn package(input: &[u8]) -> String {
    text_in(&String::from_utf8_lossy(input), "package_name")
}

fn text_in(json: &str, name: &str) -> String {
    let rest = json
        .split_once(&format!("\"{name}\":\""))
        .map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or("").to_string()
}

/// The bytes of a part that the head line announces.
fn bytes_in(json: &str, part: &str) -> u64 {
    let rest = json
        .split_once(&format!("\"{part}\":{{"))
        .map_or("", |(_, rest)| rest);
    let part = rest.split('}').next().unwrap_or("");
    let number = part.split_once("\"bytes\":").map_or("", |(_, rest)| rest);
    let end = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..end].parse().unwrap_or(0)
}

/// The process of a container, from its start to its end.
pub fn be(place: &Place, words: &[String]) -> ! {
    let [name, build, script, arguments @ ..] = words else {
        exit(125)
    };
    let mut container = Container {
        place,
        name,
        dir: place.container(name),
        build,
        package: String::new(),
        version: String::new(),
        nonce: String::new(),
    };
    // Whole or not there: whoever reads it kills by it.
    let new = container.dir.join("pid.new");
    let told = fs::write(&new, std::process::id().to_string());
    let _ = told.and_then(|()| fs::rename(&new, container.dir.join("pid")));
    sys::end_after(LIFE_LIMIT_S);
    end_with_owner(place);
    let argument = arguments.first().map_or("", String::as_str);
    match script.rsplit('/').next().unwrap_or("") {
        "build" => container.builds(),
        "fetch-source" => container.fetches_source(argument),
        "fetch-deps" => container.fetches_dependencies(),
        "remote-commit" => container.looks_at_remote(argument),
        script => container.ends(127, &format!("no such script: {script}")),
    }
}

/// A container whose test is over ends.
fn end_with_owner(place: &Place) {
    let Ok(owner) = fs::read_to_string(place.beside("owner")) else {
        return;
    };
    let owner = Path::new("/proc").join(owner.trim());
    std::thread::spawn(move || {
        while owner.exists() {
            sleep(Duration::from_millis(500));
        }
        exit(137);
    });
}

impl Container<'_> {
    fn ends(&self, code: i32, last_words: &str) -> ! {
        if !last_words.is_empty() {
            say(&format!("{last_words}\n"));
        }
        self.ends_for(&code.to_string(), code)
    }

    /// The engine knows how it ended before its client can.
    fn ends_for(&self, why: &str, code: i32) -> ! {
        self.place.note(&format!("end {} {code}", self.name));
        let new = self.dir.join("exit.new");
        let told = fs::write(&new, why);
        let _ = told.and_then(|()| fs::rename(&new, self.dir.join("exit")));
        exit(code)
    }

    fn mark(&self, name: &str) {
        let _ = File::create(self.dir.join(name));
    }

    /// Half a source is never built.
    fn reads_input(&mut self) {
        let mut input = BufReader::new(std::io::stdin().lock());
        let mut head = String::new();
        if input.read_line(&mut head).is_err() || !head.ends_with('\n') {
            self.ends(65, "zigcheck: no head line on standard input");
        }
        self.package = text_in(&head, "package_name");
        self.version = text_in(&head, "zig_version");
        self.nonce = text_in(&head, "nonce");
        let wanted = bytes_in(&head, "source") + bytes_in(&head, "deps");
        let mut parts = input.take(wanted);
        if std::io::copy(&mut parts, &mut std::io::sink()).ok() != Some(wanted) {
            self.ends(65, "zigcheck: standard input did not arrive whole");
        }
        self.place.note(&format!("whole {}", self.name));
    }

    fn record(&self, more: &str) -> String {
        format!(
            "{{\"build_id\":{},\"nonce\":\"{}\",\"build_status\":\"success\",\"test_status\":\"success\",\"build_exit\":0,\
             \"test_exit\":0,\"compiled\":1,\"tests_passed\":2,\"tests_total\":2,\"error_log\":\"\",\
             \"import_status\":\"success\",\"tests_skipped\":0,\"modules\":[]{more}}}\n",
            self.build, self.nonce
        )
    }

    fn errors(&self, name: &str) -> String {
        format!(
            "{{\"build_id\":{},\"nonce\":\"{}\",\"build_status\":\"failed\",\"build_exit\":1,\"reason\":\"compile_error\",\
             \"error_log\":\"src/main.zig:3:5: error: nothing is known of {name}\\n    {name}();\\n    ^\"}}\n",
            self.build, self.nonce
        )
    }

    fn succeeds(&self) -> ! {
        put(&self.record(""));
        self.ends(0, "")
    }

    fn builds(&mut self) -> ! {
        self.reads_input();
        say(&format!("building {}\n", self.package));
        if let Some(noise) = Noise::of(&self.package) {
            self.makes(&noise);
        }
        match self.package.as_str() {
            "good" | "good-deps" | "refused-once" | "doctor" => self.succeeds(),
            // Three of four.
            "mixed" if self.version == "0.14.1" => {
                put(&self.errors("gone"));
                self.ends(0, "")
            }
            "turning" if self.place.beside("breaks").exists() => {
                put(&self.errors("turning"));
                self.ends(0, "")
            }
            "turning" => self.succeeds(),
            "mixed" => {
                testing();
                self.succeeds()
            }
            "slowly" => self.builds_slowly(),
            "stepwise" => self.builds_stepwise(),
            "chatty" => self.chats(),
            "bulky" => self.brings_bulk(),
            "missing" => self.ends(0, ""),
            "oversized" => put(&self.record(&format!(",\"more\":\"{}\"", "x".repeat(70_000)))),
            "foreign" => {
                self.build = "999999";
                self.succeeds()
            }
            "broken" => put("{\"build_id\":\n"),
            "not-json" => put("success\n"),
            "no-newline" => put(self.record("").trim_end()),
            "killed" => self.ends(137, ""),
            "starved" => self.ends_for("137 oom", 137),
            "held-pipes" => {
                self.mark("held");
                self.succeeds()
            }
            "closed-pipes" | "closed-pipes-for-ever" => self.closes_pipes(),
            "silent" => for_ever(|| {}),
            "stubborn" => {
                self.mark("stubborn");
                for_ever(|| {})
            }
            "talkative" => for_ever(|| say("working\n")),
            "flood" => flood_for_ever(2, FLOOD_LINE),
            "flood-stdout" => flood_for_ever(1, "a flood of words on the wrong pipe\n"),
            "deluge" => {
                flood(2, FLOOD_LINE, DELUGE_BYTES);
                testing();
                self.succeeds()
            }
            other => self.ends(1, &format!("nothing is known of {other}")),
        }
        self.ends(0, "")
    }

    /// Runs until `go` is there, a line each tenth of a second.
    fn builds_slowly(&self) -> ! {
        let go = self.place.beside("go");
        for n in 1.. {
            say(&format!("{n} tenths of a second\n"));
            sleep(Duration::from_millis(100));
            if go.exists() {
                break;
            }
        }
        testing();
        say(&format!("testing {}\n", self.package));
        self.succeeds()
    }

    /// Writes a line for each byte of `steps`, until `go` is there.
    fn builds_stepwise(&self) -> ! {
        let [go, steps] = ["go", "steps"].map(|name| self.place.beside(name));
        say("begun\n");
        let mut taken = 0;
        while !go.exists() {
            let wanted = fs::metadata(&steps).map_or(0, |file| file.len());
            for step in taken + 1..=wanted {
                say(&format!("step {step}\n"));
            }
            taken = wanted;
            sleep(Duration::from_millis(20));
        }
        testing();
        say(&format!("testing {}\n", self.package));
        self.succeeds()
    }

    /// Some 2,000 lines in some 3 s, the same each time, of all kinds that logs are made of.
    fn chats(&self) -> ! {
        let mut out = sys::output(2);
        for n in 1..=2000 {
            let mut line = format!("[{n}/2000]").into_bytes();
            line.extend(match n * 7919 % 11 {
                0 => &b" and so on"[..],
                1 => b" of 2000\r",
                2 => b" \xff\xfe\x80 not UTF-8 \x00\n",
                3 => b"",
                _ => b" a line of words\n",
            });
            if n * 7919 % 11 == 3 {
                line = b"\n".to_vec();
            }
            let _ = out.write_all(&line);
            if n * 104_729 % 37 == 0 {
                sleep(Duration::from_millis(55));
            }
        }
        testing();
        say("the last line has no end");
        self.succeeds()
    }

    /// Some 3.5 MiB in some 3 s, the same each time, and no two lines alike: all of it is kept.
    fn brings_bulk(&self) -> ! {
        for n in 1..=60 {
            let words = "of a log that is long, and that many watch from many places";
            let lines = (1..=n * 7919 % 1500).map(|line| format!("{n} burst {line} {words}\n"));
            say(&lines.collect::<String>());
            sleep(Duration::from_millis(50));
        }
        self.succeeds()
    }

    fn closes_pipes(&self) -> ! {
        put(&self.record(""));
        self.mark("closed");
        if self.package == "closed-pipes-for-ever" {
            for_ever(|| {})
        }
        sleep(Duration::from_secs(1));
        self.ends(0, "")
    }

    fn makes(&self, noise: &Noise) -> ! {
        let mut out = sys::output(2);
        for (n, (pause_ms, bytes)) in noise.pieces.iter().enumerate() {
            if n == noise.tests_before {
                testing();
            }
            sleep(Duration::from_millis(*pause_ms));
            let _ = out.write_all(bytes);
        }
        match noise.ending {
            Ending::Success => self.succeeds(),
            Ending::Failed => {
                put(&self.errors("noise"));
                self.ends(0, "")
            }
            Ending::Starved => self.ends_for("137 oom", 137),
        }
    }

    fn commit(&self, url: &str) -> String {
        let at = fs::read_to_string(self.place.beside("commit")).unwrap_or_default();
        sha256(format!("{url} {at}").as_bytes())[..40].to_string()
    }

    fn repository(&self, url: &str) -> String {
        let name = url.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        let name = name.trim_end_matches(".git");
        match name {
            "unreachable" => self.ends(
                10,
                &format!("zigcheck: the host of {url} cannot be reached"),
            ),
            name if BY_URL.contains(&name) || Noise::of(name).is_some() => name.to_string(),
            _ => self.ends(11, "there is no such repository"),
        }
    }

    fn fetches_source(&self, url: &str) -> ! {
        let name = self.repository(url);
        if let Some(noise) = Noise::of(&name) {
            sleep(Duration::from_millis(noise.fetch_ms));
        }
        let commit = self.commit(url);
        let body = archive(&[("build.zig", &format!("// {url} {commit}\n"))]);
        // Each asks for its own.
        let (dependencies, manifest) = match name.contains("deps") {
            true => (true, sha256(format!("{url}/of.tar.gz -\n").as_bytes())),
            false => (false, String::new()),
        };
        say(&format!("zigcheck: fetched {commit}\n"));
        put(&format!(
            "{{\"bytes\":{},\"sha256\":\"{}\",\"format\":\"tar.gz\",\"commit\":\"{commit}\",\
             \"dependencies\":{dependencies},\"manifest\":\"{manifest}\",\"uses\":[]}}\n",
            body.len(),
            sha256(&body),
        ));
        let _ = sys::output(1).write_all(&body);
        self.ends(0, "")
    }

    fn fetches_dependencies(&mut self) -> ! {
        self.reads_input();
        let body = archive(&[("p/of/build.zig", "// nothing of interest\n")]);
        put(&format!(
            "{{\"bytes\":{},\"sha256\":\"{}\",\"dependencies\":\"fetched\"}}\n",
            body.len(),
            sha256(&body),
        ));
        let _ = sys::output(1).write_all(&body);
        self.ends(0, "")
    }

    fn looks_at_remote(&self, url: &str) -> ! {
        self.repository(url);
        put(&format!("{}\n", self.commit(url)));
        self.ends(0, "")
    }
}

/// Packages that can be had by a URL, beside those of noise.
const BY_URL: [&str; 10] = [
    "good",
    "good-deps",
    "mixed",
    "turning",
    "slowly",
    "stepwise",
    "chatty",
    "bulky",
    "silent",
    "starved",
];

fn say(text: &str) {
    let _ = sys::output(2).write_all(text.as_bytes());
}

fn put(text: &str) {
    let _ = sys::output(1).write_all(text.as_bytes());
}

fn testing() {
    put("{\"state\":\"testing\",\"compiled\":1}\n");
}

/// Five times a second.
fn for_ever(mut act: impl FnMut()) -> ! {
    loop {
        act();
        sleep(Duration::from_millis(200));
    }
}

fn flood(fd: i32, line: &str, bytes: usize) {
    let piece = line.repeat(FLOOD_PIECE_BYTES / line.len());
    for _ in 0..bytes / FLOOD_PIECE_BYTES {
        let _ = sys::output(fd).write_all(piece.as_bytes());
        sleep(FLOOD_PAUSE);
    }
}

fn flood_for_ever(fd: i32, line: &str) -> ! {
    flood(fd, line, FLOOD_LIMIT_BYTES);
    for_ever(|| {
        let _ = sys::output(fd).write_all(line.as_bytes());
    })
}
