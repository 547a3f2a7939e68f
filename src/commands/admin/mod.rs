//! `zigcheck admin`: makes the calls of an admin, to the server of this machine or to another one.

pub mod calls;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::secret_file;
use crate::commands::server::Server;
use crate::config::settings::{Listen, Settings};
use crate::config::token::Token;
use crate::shell::ask::{Question, Reply, check_socket};

/// Time limit of a call: a check of all packages is asked for in a moment, and goes on by itself.
const CALL_LIMIT_MS: u64 = 30_000;

/// What the command line says beside the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pub words: Vec<String>,
    /// Where the admin socket may be, in this order.
    pub sockets: Vec<PathBuf>,
    /// An URL, or an address as `--listen` takes it; none: that of the settings.
    pub server: Option<String>,
    /// The file with the token; none: that of the settings.
    pub token_file: Option<PathBuf>,
}

/// Makes the call that the words say. Gives what the server answers, for people and programs; an error is its sentence.
pub fn run(settings: &Settings, options: &Options) -> Result<String, String> {
    if options.words.is_empty() {
        return Ok(calls::list().trim_end().to_string());
    }
    let call = calls::read(&options.words)?;
    let mut question = Question {
        method: call.method,
        path: call.path,
        token: None,
        body: call.body,
    };
    let mut refusals = Vec::new();
    for path in &options.sockets {
        match check_socket(path) {
            Ok(()) => {
                let socket = Server::Listens(Listen::Unix(path.clone()));
                return answer(&socket.ask(&question, CALL_LIMIT_MS)?);
            }
            Err(why) => refusals.push(why),
        }
    }
    question.token = Some(token_of(settings, options, &refusals)?);
    let server = match options.server.as_deref() {
        Some(text) => Server::read(text)?,
        None => Server::Listens(settings.listen.clone()),
    };
    let reply = server.ask(&question, CALL_LIMIT_MS)?;
    answer(&reply)
}

/// The token in the file that is named. Without one, the error says why the socket cannot be used either.
fn token_of(settings: &Settings, options: &Options, refusals: &[String]) -> Result<String, String> {
    let named = options.token_file.as_ref();
    let Some(path) = named.or(settings.admin_token_file.as_ref()) else {
        let mut sentence = "admin: name the file of the token with --token-file".to_string();
        if !refusals.is_empty() {
            let sockets = refusals.join(", ");
            sentence +=
                &format!("; the admin socket is for root, while the server runs: {sockets}");
        }
        return Err(sentence);
    };
    read_token(path).map_err(|why| format!("{}: {why}", path.display()))
}

fn read_token(path: &Path) -> Result<String, String> {
    let text = secret_file::read(path)?;
    Token::read(&text)?;
    Ok(text.trim().to_string())
}

/// The JSON of an answer, with a line for each value; the sentence of a refusal.
fn answer(reply: &Reply) -> Result<String, String> {
    let value: Option<Value> = serde_json::from_str(&reply.body).ok();
    let status = reply.status;
    match (status, value) {
        (200..=299, Some(value)) => serde_json::to_string_pretty(&value).map_err(|e| e.to_string()),
        (_, Some(value)) => {
            let sentence = value["error"].as_str().unwrap_or("without a sentence");
            Err(format!("{sentence} (status {status})"))
        }
        (_, None) => Err(format!(
            "what answers there is no zigcheck (status {status})"
        )),
    }
}
