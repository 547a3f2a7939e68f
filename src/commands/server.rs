//! A server that runs, as `--server` names it.

use crate::commands::curl;
use crate::config::settings::Listen;
use crate::config::values;
use crate::shell::ask::{self, Question, Reply};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// It listens on an address or a socket's path, which are asked without another program.
    Listens(Listen),
    /// TLS and names of hosts are for curl.
    Url(String),
}

impl Server {
    /// The server of `http[s]://HOST[:PORT]`, `HOST[:PORT]` or `unix:PATH`.
    pub fn read(text: &str) -> Result<Server, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.trim_end_matches('/');
        match (scheme, values::listen(rest)) {
            ("http", Ok(listen)) => Ok(Server::Listens(listen)),
            ("http" | "https", _) if is_authority(rest) => {
                Ok(Server::Url(format!("{scheme}://{rest}")))
            }
            _ => Err(format!(
                "--server {text}: must be http://HOST:PORT, https://HOST or unix:PATH"
            )),
        }
    }

    /// Asks it. An error says why there is no reply.
    pub fn ask(&self, question: &Question, limit_ms: u64) -> Result<Reply, String> {
        match self {
            Server::Listens(listen) => ask::ask(listen, question, limit_ms),
            Server::Url(url) => curl::ask(url, question, limit_ms),
        }
    }
}

/// True for a host, with a port or without.
fn is_authority(text: &str) -> bool {
    let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !text.is_empty() && text != "unix:" && text.bytes().all(host)
}
