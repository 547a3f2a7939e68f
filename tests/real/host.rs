//! A host on the loopback that serves a folder, and is busy, breaks off or redirects where its path says so.
//!
//! | path | answer |
//! |---|---|
//! | `/FILE` | the file |
//! | `/git/REPOSITORY/…` | as git serves it over HTTP |
//! | `/status/CODE/SECONDS/…` | that status with `Retry-After: SECONDS` (none for 0) |
//! | `/busy/TIMES/SECONDS/REST` | 503 that many times, then `/REST` |
//! | `/reset/TIMES/REST` | the connection is reset that many times, then `/REST` |
//! | `/to/HOST:PORT/REST` | a redirect to `http://HOST:PORT/REST` |

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::exchange::{fed, head_of};

pub struct Host {
    pub port: u16,
    pub root: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    closed: AtomicBool,
    /// How often each path, or repository, was asked for.
    asked: Mutex<BTreeMap<String, usize>>,
}

struct Request {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Host {
    /// Serves `root`, which is emptied first, until dropped.
    pub fn new(root: PathBuf) -> Host {
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("git")).expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let (state, folder) = (shared.clone(), root.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.closed.load(Ordering::SeqCst) {
                    return;
                }
                let (state, folder) = (state.clone(), folder.clone());
                std::thread::spawn(move || drop(serve(client, &folder, &state)));
            }
        });
        Host { port, root, shared }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// How often that path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        let asked = self.shared.asked.lock().expect("no panic");
        asked.get(path).copied().unwrap_or(0)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which lets go of the port.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(mut client: TcpStream, root: &Path, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read(&mut client)? else {
        return Ok(());
    };
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let count = {
        let mut asked = shared.asked.lock().expect("no panic");
        // One count for all that git asks of a repository.
        let of = path
            .trim_end_matches("/info/refs")
            .trim_end_matches("/git-upload-pack");
        let count = asked.entry(of.to_string()).or_default();
        *count += 1;
        *count
    };
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(4, '/').collect();
    let after = |seconds: &str| match seconds {
        "0" => String::new(),
        _ => format!("Retry-After: {seconds}\r\n"),
    };
    match parts[..] {
        ["status", code, seconds, ..] => answer(&mut client, code, &after(seconds), b"no\n"),
        ["busy", times, seconds, _] if count <= number(times) => {
            answer(&mut client, "503", &after(seconds), b"busy\n")
        }
        ["busy", _, _, rest] => file(&mut client, &request, rest, query, root),
        ["reset", times, ..] if count <= number(times) => {
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
            Ok(())
        }
        ["reset", ..] => {
            let rest = path.splitn(4, '/').nth(3).unwrap_or("");
            file(&mut client, &request, rest, query, root)
        }
        ["to", host, ..] => {
            let rest = request.target.splitn(4, '/').nth(3).unwrap_or("");
            let location = format!("Location: http://{host}/{rest}\r\n");
            answer(&mut client, "302", &location, b"")
        }
        _ => file(
            &mut client,
            &request,
            path.trim_start_matches('/'),
            query,
            root,
        ),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number in the path")
}

fn file(
    client: &mut TcpStream,
    request: &Request,
    path: &str,
    query: &str,
    root: &Path,
) -> std::io::Result<()> {
    let path = path.trim_start_matches("reset/1/");
    if path.starts_with("git/") {
        return git(client, request, path, query, root);
    }
    match std::fs::read(root.join(path)) {
        Ok(bytes) => {
            let kind = "Content-Type: application/octet-stream\r\n";
            answer(client, "200", kind, &bytes)
        }
        Err(_) => answer(client, "404", "", b"nothing here\n"),
    }
}

/// What `git http-backend` answers, which is a CGI program.
fn git(
    client: &mut TcpStream,
    request: &Request,
    path: &str,
    query: &str,
    root: &Path,
) -> std::io::Result<()> {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", format!("/{path}"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"));
    let output = fed(&mut command, &request.body).stdout;
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let (head, body) = output.split_at(end.unwrap_or(0));
    let head = String::from_utf8_lossy(head).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
    let status = status.map_or("200", |status| &status[..3]);
    let others = head.lines().filter(|line| !line.starts_with("Status: "));
    let others: String = others.map(|line| format!("{line}\r\n")).collect();
    answer(client, status, &others, body.get(4..).unwrap_or(b""))
}

fn answer(client: &mut TcpStream, status: &str, more: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status} Said\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    client.write_all(body)
}

fn read(client: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let Some(head) = head_of(client)? else {
        return Ok(None);
    };
    let mut words = head.split_whitespace();
    let method = words.next().unwrap_or("").to_string();
    let target = words.next().unwrap_or("/").to_string();
    let headers: BTreeMap<String, String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_string()))
        .collect();
    let length = headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    let is_chunked = headers
        .get("transfer-encoding")
        .is_some_and(|how| how == "chunked");
    if is_chunked {
        body = chunks(client)?;
    }
    Ok(Some(Request {
        method,
        target,
        headers,
        body,
    }))
}

fn chunks(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16);
        let length = length.expect("the length of a chunk");
        let mut chunk = vec![0; length + 2];
        client.read_exact(&mut chunk)?;
        body.extend_from_slice(&chunk[..length]);
        if length == 0 {
            return Ok(body);
        }
    }
}
