//! A connection played by hand: bytes in some pieces go in, a small app answers, and what was
//! said and sent is written down. What must hold at all times is asserted at every step.

use zigcheck::http::conn::{Conn, Incoming, Waiting};
use zigcheck::http::limits::{
    INPUT_LIMIT_BYTES, PIECE_LIMIT_BYTES, STREAM_LIMIT_BYTES, UNSENT_LIMIT_BYTES,
};
use zigcheck::interface::event::Streamed;
use zigcheck::interface::message::{Admission, Head, Response};

pub const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
pub const COLLECT_LIMIT_BYTES: u64 = 100;
pub const SPOOL_LIMIT_BYTES: u64 = 300_000;

/// What the app heard, bodies in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Whole(String, Vec<u8>),
    Spooled(String),
    Body(Vec<u8>),
    End,
    Aborted,
}

#[derive(Default)]
pub struct Play {
    pub conn: Conn,
    pub said: Vec<Said>,
    pub sent: Vec<u8>,
    /// The targets that `admit` was asked about.
    pub asked: Vec<String>,
    held: Option<String>,
    /// Bytes the streaming app has still to give.
    stream: Option<usize>,
    body_bytes: usize,
}

fn admission(head: &Head) -> Admission {
    match head.path.as_str() {
        path if path.starts_with("/spool") => Admission::Spool {
            limit_bytes: SPOOL_LIMIT_BYTES,
        },
        "/refuse/411" => Admission::Refuse(Response::error(411, "How long?")),
        path if path.starts_with("/refuse") => Admission::Refuse(Response::error(403, "No.")),
        _ => Admission::Collect {
            limit_bytes: COLLECT_LIMIT_BYTES,
        },
    }
}

fn stream_size(path: &str) -> Option<usize> {
    match path {
        path if !path.contains("/stream") => None,
        path if path.ends_with("/short") => Some(900),
        _ => Some(600_000),
    }
}

impl Play {
    /// Feeds it all in pieces of at most that size, and settles after each.
    pub fn feed(&mut self, mut bytes: &[u8], mut size: impl FnMut() -> usize) {
        while !bytes.is_empty() {
            let count = size().min(self.conn.space()).min(bytes.len());
            if count == 0 {
                return;
            }
            self.conn.receive(&bytes[..count]);
            bytes = &bytes[count..];
            self.settle();
        }
    }

    pub fn hang_up(&mut self) {
        self.conn.half_closed();
        self.settle();
    }

    pub fn settle(&mut self) {
        loop {
            let mut moved = self.listen();
            moved |= self.pour();
            let count = self.conn.output().len();
            self.sent.extend_from_slice(self.conn.output());
            self.conn.sent(count);
            self.check();
            if !moved && count == 0 {
                return;
            }
        }
    }

    /// Hears everything there is to hear; whether there was anything.
    pub fn listen(&mut self) -> bool {
        let mut any = false;
        loop {
            let asked = &mut self.asked;
            let mut admit = |head: &Head| {
                asked.push(head.path.clone());
                admission(head)
            };
            let Some(incoming) = self.conn.next(DATE, &mut admit) else {
                return any;
            };
            any = true;
            self.handle_input(incoming);
            self.check();
        }
    }

    fn handle_input(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Request(request) => {
                assert!(self.held.is_none(), "a request before the answer");
                let target = format!("{} {}", request.head.method, request.head.path);
                self.held = Some(request.head.path.clone());
                self.body_bytes = request.body.len();
                self.said.push(if request.spooled {
                    assert!(request.body.is_empty());
                    Said::Spooled(target)
                } else {
                    assert!(request.body.len() as u64 <= COLLECT_LIMIT_BYTES);
                    Said::Whole(target, request.body)
                });
                if !request.spooled || request.head.path.ends_with("/early") {
                    self.answer();
                }
            }
            Incoming::Body(bytes) => {
                assert!(self.held.is_some() && !bytes.is_empty());
                assert!(bytes.len() <= PIECE_LIMIT_BYTES);
                self.body_bytes += bytes.len();
                assert!(self.body_bytes as u64 <= SPOOL_LIMIT_BYTES);
                match self.said.last_mut() {
                    Some(Said::Body(known)) => known.extend(bytes),
                    _ => self.said.push(Said::Body(bytes)),
                }
            }
            Incoming::BodyEnd => {
                assert!(self.held.is_some());
                self.said.push(Said::End);
                self.answer();
            }
            Incoming::Aborted => {
                assert!(self.held.take().is_some(), "gone without a request");
                self.stream = None;
                self.said.push(Said::Aborted);
            }
        }
    }

    fn answer(&mut self) {
        let path = self.held.clone().unwrap_or_default();
        let text = format!("{path} {}", self.body_bytes);
        if path.ends_with("/hold") {
            return;
        }
        let status = if path.ends_with("/204") { 204 } else { 200 };
        let answer = Response::new(status, "text/plain", text);
        if let Some(size) = stream_size(&path) {
            let length = path.contains("/sized").then_some(size as u64);
            let body = Streamed {
                length,
                keepalive: "",
            };
            if self.conn.start_stream(answer, body, DATE) {
                self.stream = Some(size);
            }
            // Else it hears that nobody wants the stream.
        } else {
            self.conn.respond(answer, DATE);
            self.held = None;
        }
    }

    pub fn answer_held(&mut self) {
        assert!(self.held.take().is_some());
        self.conn
            .respond(Response::new(200, "text/plain", "held"), DATE);
    }

    pub fn pour(&mut self) -> bool {
        let Some(left) = self.stream else {
            return false;
        };
        let count = left.min(self.conn.stream_space());
        if count > 0 {
            self.conn.push_stream(&vec![b's'; count]);
        }
        self.stream = Some(left - count);
        if left == count {
            self.conn.end_stream();
            self.stream = None;
            self.held = None;
        }
        count > 0 || left == 0
    }

    pub fn check(&self) {
        let conn = &self.conn;
        assert!(conn.space() <= INPUT_LIMIT_BYTES);
        // One answer more may stand behind what makes the next request wait.
        let most = STREAM_LIMIT_BYTES.max(UNSENT_LIMIT_BYTES + 1_000);
        assert!(conn.output().len() <= most);
        assert!(conn.memory() <= 4 * (INPUT_LIMIT_BYTES + most) + 1_000);
        assert!(conn.stream_space() == 0 || self.stream.is_some() || self.held.is_some());
        if conn.is_done() {
            assert!(conn.output().is_empty() && conn.space() == 0);
        }
        if conn.waiting_for() == Waiting::Linger {
            assert!(conn.output().is_empty());
        }
    }

    /// Whether the connection and the app agree on who has the request.
    pub fn agrees(&self) -> bool {
        self.conn.is_with_app() == self.held.is_some()
    }

    pub fn answers(&self) -> Vec<Answer> {
        read_answers(&self.sent, &self.said)
    }

    pub fn statuses(&self) -> Vec<u16> {
        self.answers().iter().map(|answer| answer.status).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice");
        value
    }
}

/// The answers in `sent`; what was said tells which are to a HEAD and have no body.
fn read_answers(mut sent: &[u8], said: &[Said]) -> Vec<Answer> {
    let mut requests = said.iter().filter_map(|said| match said {
        Said::Whole(target, _) | Said::Spooled(target) => Some(target.starts_with("HEAD")),
        _ => None,
    });
    let mut answers = Vec::new();
    while !sent.is_empty() {
        let mut space = [httparse::EMPTY_HEADER; 20];
        let mut parsed = httparse::Response::new(&mut space);
        let length = parsed.parse(sent).expect("an answer").unwrap();
        let mut answer = Answer {
            status: parsed.code.unwrap(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        for header in parsed.headers.iter() {
            let value = String::from_utf8(header.value.to_vec()).unwrap();
            answer.headers.push((header.name.to_lowercase(), value));
        }
        sent = &sent[length..];
        let interim = answer.status < 200;
        let bare = !interim && requests.next().unwrap_or(false);
        if bare || interim || matches!(answer.status, 204 | 304) {
        } else if answer.header("transfer-encoding") == Some("chunked") {
            assert_eq!(answer.header("content-length"), None);
            sent = read_chunks(sent, &mut answer.body);
        } else if let Some(length) = answer.header("content-length") {
            let (body, rest) = sent.split_at(length.parse().unwrap());
            answer.body = body.to_vec();
            sent = rest;
        } else {
            answer.body = sent.to_vec();
            sent = &[];
        }
        answers.push(answer);
    }
    answers
}

fn read_chunks<'a>(mut sent: &'a [u8], body: &mut Vec<u8>) -> &'a [u8] {
    loop {
        let end = sent
            .windows(2)
            .position(|two| two == b"\r\n")
            .expect("a size");
        let size = str::from_utf8(&sent[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = &sent[end + 2..];
        body.extend_from_slice(&chunk[..size]);
        assert_eq!(&chunk[size..size + 2], b"\r\n");
        sent = &chunk[size + 2..];
        if size == 0 {
            return sent;
        }
    }
}

pub const ANOTHER: &str = "GET /another HTTP/1.1\r\nHost: h\r\n\r\n";

pub fn played(input: &[u8], size: usize) -> Play {
    let mut play = Play::default();
    play.feed(input, || size);
    assert!(play.agrees());
    play
}

/// Plays it whole, byte by byte, and with another request behind it, which is answered where the
/// connection stays open and only there. What comes of the first way is given.
pub fn any_way(input: &str, stays_open: bool) -> Play {
    let whole = played(input.as_bytes(), usize::MAX);
    let bytewise = played(input.as_bytes(), 1);
    assert_eq!(bytewise.said, whole.said, "{input:?}");
    assert_eq!(bytewise.answers(), whole.answers(), "{input:?}");
    let more = format!("{input}{ANOTHER}");
    for size in [usize::MAX, 1, 7] {
        let mut longer = played(more.as_bytes(), size);
        let another = Said::Whole("GET /another".into(), vec![]);
        let mut said = whole.said.clone();
        let mut statuses = whole.statuses();
        if stays_open {
            said.push(another);
            statuses.push(200);
        }
        assert_eq!(longer.said, said, "{input:?}");
        assert_eq!(longer.statuses(), statuses, "{input:?}");
        longer.hang_up();
        assert!(longer.conn.is_done(), "{input:?}");
        assert_eq!(longer.said, said, "{input:?}");
    }
    let open = whole.conn.waiting_for() == Waiting::Idle;
    assert_eq!(open, stays_open, "{input:?}");
    whole
}

pub fn request(line: &str, lines: &str, body: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}")
}

pub fn whole(target: &str, body: &str) -> Said {
    Said::Whole(target.into(), body.into())
}

pub fn only(play: &Play) -> Answer {
    let answers = play.answers();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers[0].clone()
}
