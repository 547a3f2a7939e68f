//! A receiver of the test's own: it keeps each request, and answers as it is told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;

use crate::common::server::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What is answered: status, further headers, body. None: nothing, ever.
pub type Answer = Option<(u16, &'static str, String)>;

pub fn json(status: u16, body: &str) -> Answer {
    Some((status, "", body.to_string()))
}

type Answers = Box<dyn FnMut(&Request, usize) -> Answer + Send>;

#[derive(Default)]
struct Kept {
    requests: Mutex<Vec<Request>>,
    changed: Condvar,
}

pub struct Receiver {
    pub address: SocketAddr,
    kept: Arc<Kept>,
}

impl Receiver {
    /// One that answers by the request, and by how many came before it.
    pub fn start(answers: impl FnMut(&Request, usize) -> Answer + Send + 'static) -> Receiver {
        Receiver::at("127.0.0.1:0", answers)
    }

    pub fn at(
        address: &str,
        answers: impl FnMut(&Request, usize) -> Answer + Send + 'static,
    ) -> Receiver {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("its port");
        let kept = Arc::new(Kept::default());
        let answers: Arc<Mutex<Answers>> = Arc::new(Mutex::new(Box::new(answers)));
        let shared = kept.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answers) = (shared.clone(), answers.clone());
                std::thread::spawn(move || serve(stream, &kept, &answers));
            }
        });
        Receiver { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn all(&self) -> Vec<Request> {
        self.kept.requests.lock().expect("kept").clone()
    }

    /// All requests, once there are so many that pass.
    #[track_caller]
    pub fn wait_for(&self, count: usize, passes: impl Fn(&Request) -> bool) -> Vec<Request> {
        let begun = Instant::now();
        let mut requests = self.kept.requests.lock().expect("kept");
        loop {
            if requests.iter().filter(|request| passes(request)).count() >= count {
                return requests.clone();
            }
            let left = PATIENCE.saturating_sub(begun.elapsed());
            assert!(!left.is_zero(), "only these came: {requests:#?}");
            let waited = self.kept.changed.wait_timeout(requests, left);
            requests = waited.expect("kept").0;
        }
    }
}

fn serve(stream: TcpStream, kept: &Kept, answers: &Mutex<Answers>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let mut requests = kept.requests.lock().expect("kept");
        let before = requests.len();
        let answer = answers.lock().expect("answers")(&request, before);
        requests.push(request);
        drop(requests);
        kept.changed.notify_all();
        let Some((status, headers, body)) = answer else {
            // Until the other side gives up.
            let _ = reader.read_to_end(&mut Vec::new());
            return;
        };
        let head = format!(
            "HTTP/1.1 {status} So\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let sent = reader.get_mut().write_all((head + &body).as_bytes());
        if sent.is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|count| *count > 0)?;
    let mut words = line.split_whitespace().map(str::to_string);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers
        .get("content-length")
        .and_then(|value| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}
