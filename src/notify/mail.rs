//! Mail: one message for each package that breaks or works again, through sendmail.

use std::time::{Duration, UNIX_EPOCH};

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::domain::transition::Transition;
use crate::interface::event::{Command, Exit, Input};
use crate::notify::config::{Config, Mail};
use crate::notify::facts::Facts;
use crate::notify::outcome::Outcome;
use crate::notify::store::{Kind, NewTask};
use crate::notify::texts;

/// What no message is tried again after: sysexits.h, wrong data, no such user, no such host.
const FINAL: [i32; 3] = [65, 67, 68];

pub fn task(
    config: &Config,
    facts: &Facts,
    (mail, to): (&Mail, &str),
    transition: Transition,
) -> NewTask {
    let key = format!("mail/{}/{to}", facts.number());
    let (subject, text) = texts::mail(config, facts, transition);
    let message = message(mail, to, &key, facts, (&subject, &text));
    NewTask {
        subject: key.clone(),
        key,
        kind: Kind::Mail,
        receiver: "sendmail".to_string(),
        stage: "send",
        data: json!({ "to": to, "message": message }).to_string(),
        supersedes: false,
    }
}

/// The message as RFC 5322 has it. Each header is made of words that were checked: names of packages and versions, and
/// addresses of the configuration.
fn message(
    mail: &Mail,
    to: &str,
    key: &str,
    facts: &Facts,
    (subject, text): (&str, &str),
) -> String {
    let id = HEXLOWER.encode(&Sha256::digest(key.as_bytes())[..16]);
    let domain = mail.from.rsplit('@').next().unwrap_or("localhost");
    let at = facts.event()["at"].as_str().unwrap_or("");
    let headers = [
        ("From", mail.from.clone()),
        ("To", to.to_string()),
        ("Subject", one_line(subject)),
        ("Date", date(at)),
        ("Message-ID", format!("<{id}@{domain}>")),
        // RFC 3834: no answer by a program, no loop.
        ("Auto-Submitted", "auto-generated".to_string()),
        ("MIME-Version", "1.0".to_string()),
        ("Content-Type", "text/plain; charset=utf-8".to_string()),
        ("Content-Transfer-Encoding", "8bit".to_string()),
    ];
    let headers = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"));
    format!("{}\n{text}", headers.collect::<String>())
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// A time of the server as mail writes it.
fn date(at: &str) -> String {
    let time = humantime::parse_rfc3339(at).unwrap_or(UNIX_EPOCH);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = Duration::from_secs(since.as_secs());
    let date = httpdate::fmt_http_date(UNIX_EPOCH + seconds);
    date.replace("GMT", "+0000")
}

pub fn send(config: &Config, data: &Value) -> Result<Command, String> {
    let text = |name: &str| data[name].as_str().unwrap_or("");
    let to = text("to");
    let is_asked = config
        .rows
        .iter()
        .any(|row| row.asked.mail.iter().any(|one| one == to));
    let mail = config.mail.as_ref().filter(|_| is_asked);
    let mail = mail.ok_or("the mail is not asked for any more")?;
    let sendmail = mail.sendmail.display().to_string();
    Ok(Command {
        // -i: a line with a dot alone is a line like any other.
        argv: [&sendmail, "-i", "-f", &mail.from, to]
            .map(str::to_string)
            .to_vec(),
        stdin: vec![Input::Bytes(text("message").as_bytes().to_vec())],
    })
}

pub fn answered(exit: Exit, said: &str) -> Outcome {
    let said = one_line(said.lines().next().unwrap_or(""));
    match exit {
        Exit::Code(0) => Outcome::Done(Vec::new()),
        Exit::Code(code) if FINAL.contains(&code) => {
            Outcome::Failed(format!("sendmail ended with {code}: {said}"))
        }
        Exit::Code(code) => retry(format!("sendmail ended with {code}: {said}")),
        Exit::Signal(signal) => retry(format!("sendmail ended by signal {signal}")),
        Exit::NotStarted(why) => retry(why),
    }
}

fn retry(why: String) -> Outcome {
    Outcome::Retry { after_s: None, why }
}
