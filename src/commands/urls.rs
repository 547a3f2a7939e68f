//! `zigcheck import --urls`: submits the packages of a list to a server that runs.
//!
//! They go the way of every submission, so that the server's rules, its limits and its queue hold for them too. What is
//! known is answered as such, which is why a list can be sent again, and a run that was cut off goes on.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use crate::commands::backup::named;
use crate::commands::server::Server;
use crate::commands::tally::Tally;
use crate::shell::ask::{Question, Reply};
use crate::shell::clock;

/// Longest list: some 50,000 packages, more than one server is made for.
const LIST_LIMIT_BYTES: u64 = 4 << 20;
/// For one answer: a server takes milliseconds, unless its machine is overloaded.
const ANSWER_LIMIT_MS: u64 = 30_000;
/// Longest pause that is made because the server asks for it; after it the server is asked again.
const PAUSE_LIMIT_S: u64 = 3_600;
/// Pauses in a row before one package. A server that still asks for another one needs help.
const PAUSES_LIMIT: usize = 100;

/// Where packages are submitted.
pub trait Submit {
    /// The answer to a submission.
    fn submit(&mut self, package: &Value) -> Result<Reply, String>;
    /// Waits; `done` of `all` packages were answered.
    fn pause(&mut self, seconds: u64, done: usize, all: usize);
}

impl Submit for Server {
    fn submit(&mut self, package: &Value) -> Result<Reply, String> {
        let question = Question {
            method: "POST",
            path: "/api/packages".to_string(),
            token: None,
            body: package.to_string(),
        };
        self.ask(&question, ANSWER_LIMIT_MS)
    }

    fn pause(&mut self, seconds: u64, done: usize, all: usize) {
        eprintln!("{done} of {all} packages; waiting {seconds} s, as the server asks");
        clock::pause(seconds);
    }
}

/// Submits the packages of the list to the server at that URL or address.
pub fn run(list: &Path, server: &str) -> Result<Tally, String> {
    let mut text = String::new();
    let file = File::open(list).map_err(named(list))?;
    let read = file.take(LIST_LIMIT_BYTES + 1).read_to_string(&mut text);
    read.map_err(named(list))?;
    if text.len() as u64 > LIST_LIMIT_BYTES {
        let limit = LIST_LIMIT_BYTES >> 20;
        return Err(format!("{}: longer than {limit} MiB", list.display()));
    }
    submit_all(&text, &mut Server::read(server)?)
}

/// A package of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub url: &'a str,
    pub reference: Option<&'a str>,
    pub name: Option<&'a str>,
}

/// The package of a line, `URL [REF] [NAME]`; none: it is empty or a comment. A dash is no ref.
pub fn listed(line: &str) -> Result<Option<Listed<'_>>, &'static str> {
    let words = line.split_whitespace();
    let words: Vec<&str> = words.take_while(|word| !word.starts_with('#')).collect();
    let (url, reference, name) = match words[..] {
        [] => return Ok(None),
        [url] => (url, None, None),
        [url, reference] => (url, Some(reference), None),
        [url, reference, name] => (url, Some(reference), Some(name)),
        _ => return Err("more words than URL REF NAME"),
    };
    Ok(Some(Listed {
        url,
        reference: reference.filter(|word| *word != "-"),
        name: name.filter(|word| *word != "-"),
    }))
}

/// Submits the packages of a list, one after the other. An error says where it ended: the rest was not sent.
pub fn submit_all(list: &str, server: &mut dyn Submit) -> Result<Tally, String> {
    let lines = list.lines().enumerate();
    let lines = lines.map(|(nth, line)| (nth + 1, listed(line)));
    let lines: Vec<_> = lines.filter(|(_, listed)| *listed != Ok(None)).collect();
    let all = lines.len();
    let mut tally = Tally::default();
    for (done, (number, package)) in lines.into_iter().enumerate() {
        let package = match package {
            Ok(Some(package)) => package,
            Ok(None) => continue,
            Err(why) => {
                tally.refuse(&format!("line {number}"), why);
                continue;
            }
        };
        let outcome = submit(&package, (done, all), server).map_err(|why| {
            format!("line {number}: {why} ({done} of {all} packages were answered; run it again to go on)")
        })?;
        match outcome {
            Outcome::Taken => tally.taken += 1,
            Outcome::Known => tally.known += 1,
            Outcome::Refused(why) => {
                tally.refuse(&format!("{} (line {number})", package.url), &why)
            }
        }
    }
    Ok(tally)
}

enum Outcome {
    Taken,
    Known,
    Refused(String),
}

fn submit(
    package: &Listed,
    (done, all): (usize, usize),
    server: &mut dyn Submit,
) -> Result<Outcome, String> {
    let body = json!({ "url": package.url, "ref": package.reference, "name": package.name });
    for _ in 0..PAUSES_LIMIT {
        let reply = server.submit(&body)?;
        let said: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let error = said["error"].as_str().map(str::to_string);
        match (reply.status, reply.retry_after_s, error) {
            (201, _, _) => return Ok(Outcome::Taken),
            // Another repository has the name where there is no id.
            (409, _, _) if said["id"].is_number() => return Ok(Outcome::Known),
            (429 | 503 | 507, Some(seconds), _) => {
                server.pause(seconds.clamp(1, PAUSE_LIMIT_S), done, all);
            }
            (400 | 409 | 413 | 422, _, Some(error)) => return Ok(Outcome::Refused(error)),
            (status, _, Some(error)) => {
                return Err(format!("the server answers {status}: {error}"));
            }
            (status, _, None) => return Err(format!("no zigcheck answers there, but {status}")),
        }
    }
    Err("the server still asks to wait".to_string())
}
