//! Compression of answers (RFC 1952), piece by piece and without memory between pieces.
//!
//! Each piece is compressed alone and ends at a byte, so that the client can read all of it at once. A stream keeps 32
//! bytes of state: checksum and length. A compressor that remembered what went before would cost each of ten thousand
//! watchers 300 KiB, to save a few percent of a log that is pulled 16 KiB at a time.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::http::limits::GZIP_LEAST_BYTES;
use crate::interface::message::{Head, Response, values};

/// The end of each piece: an empty stored block. Inflaters such as Go's give out what they have when they see it, and
/// would hold a piece back without.
const SYNC_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];
/// Magic number, deflate, no name, no time, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// What a piece may grow by, with the header and the end of the stream: a stored block has five bytes more.
pub const OVERHEAD_BYTES: usize = 5 + SYNC_BLOCK.len() + HEADER.len() + LAST_BLOCK.len() + 8;

thread_local! {
    /// Reset for each piece: one serves all streams.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// A compressed stream.
#[derive(Debug, Default)]
pub struct Gzip {
    crc: Crc,
    begun: bool,
}

impl Gzip {
    /// Appends a piece of at most 64 KiB - 1 to `out`; the first one behind the header.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(&HEADER);
        }
        self.crc.update(piece);
        if piece.len() >= GZIP_LEAST_BYTES && compress(piece, out) {
            return;
        }
        // A stored block: small pieces gain nothing, and random ones would grow.
        let length = piece.len() as u16;
        debug_assert_eq!(usize::from(length), piece.len());
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(&SYNC_BLOCK);
    }

    /// Appends the end of the stream.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            out.extend_from_slice(&HEADER);
        }
        out.extend_from_slice(&LAST_BLOCK);
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
    }
}

/// Appends a piece as blocks of which the last is `SYNC_BLOCK`; false, and nothing, where that is not shorter.
fn compress(piece: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // `compress_vec` writes into what is allocated and no further.
    out.reserve(piece.len());
    let done = COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let result = compress.compress_vec(piece, out, FlushCompress::Sync);
        result.is_ok() && compress.total_in() == piece.len() as u64
    });
    // Space that is left shows that nothing waits for more.
    let is_whole = out.len() < out.capacity();
    let is_shorter = done && is_whole && out.len() - start < piece.len();
    if !is_shorter {
        out.truncate(start);
    }
    is_shorter
}

/// A whole body, compressed.
pub fn whole(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut gzip = Gzip::default();
    for piece in body.chunks(usize::from(u16::MAX)) {
        gzip.push(piece, &mut out);
    }
    gzip.end(&mut out);
    out
}

/// True where the client takes gzip, and the request is not about the body as it is: `Range` counts its bytes, and
/// `If-Match` compares strongly, which no compressed body's tag can meet.
pub fn is_accepted(head: &Head) -> bool {
    let is_of_body = ["range", "if-match"]
        .iter()
        .any(|name| head.header(name).is_some());
    if head.http10 || is_of_body {
        return false;
    }
    let lines = values(&head.headers, "accept-encoding");
    let quality = |names: &[&str]| {
        let codings = lines.iter().flat_map(|line| line.split(','));
        let named = codings.filter_map(|coding| {
            let mut words = coding.split(';').map(str::trim);
            let name = words.next()?;
            names
                .iter()
                .find(|known| name.eq_ignore_ascii_case(known))?;
            let q = words.find_map(|word| word.strip_prefix("q=").or(word.strip_prefix("Q=")));
            let q: f32 = q.map_or(Some(1.0), |q| q.parse().ok())?;
            (0.0..=1.0).contains(&q).then_some(q)
        });
        named.reduce(f32::max)
    };
    let any = quality(&["*"]);
    let gzip = quality(&["gzip", "x-gzip"]).or(any).unwrap_or(0.0);
    // A client that does not name it takes it, at last.
    let identity = quality(&["identity"]).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity
}

/// True for an answer whose body is worth it: text of some kind, not encoded yet, and no part of a body.
pub fn is_worth(answer: &Response) -> bool {
    let kind = values_of(answer, "Content-Type").next().unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("json")
        || kind.ends_with("+xml")
        || kind == "application/xml";
    is_text && answer.status != 206 && values_of(answer, "Content-Encoding").next().is_none()
}

fn values_of<'r>(answer: &'r Response, name: &'static str) -> impl Iterator<Item = &'r str> {
    let named = answer.headers.iter();
    named.filter_map(move |(known, value)| (*known == name).then_some(value.as_str()))
}

/// Sets the headers of an answer that may be compressed, and is if `is_gzip`. Its tag is weak then: it is that of the
/// body as it is. A 304 has the tag of the answer that it stands for.
pub fn set_headers(answer: &mut Response, is_gzip: bool) {
    let vary: Vec<&str> = values_of(answer, "Vary")
        .chain(["Accept-Encoding"])
        .collect();
    let vary = vary.join(", ");
    answer.headers.retain(|(name, _)| *name != "Vary");
    answer.headers.push(("Vary", vary));
    if !is_gzip {
        return;
    }
    for (name, value) in &mut answer.headers {
        if *name == "ETag" && !value.starts_with("W/") {
            value.insert_str(0, "W/");
        }
    }
    if answer.status != 304 {
        answer.headers.retain(|(name, _)| *name != "Accept-Ranges");
        answer
            .headers
            .push(("Content-Encoding", "gzip".to_string()));
    }
}
