//! Live pages: the watched part of a page is sent again with each change, and ends with its subject.
//!
//! Each version of that part is a child of one element, with a slot in its declarative shadow root. A slot shows what
//! it holds when nothing was put into it: that of a version holds the slot of the version before, so that the last one
//! sent is shown. A browser needs no script, and a page is a stream that only grows. A version is rendered once for all
//! who watch the same.

use std::collections::HashMap;
use std::sync::Arc;

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::live::limits::{PIECES_LIMIT, VERSIONS_LIMIT};
use crate::app::render::html::layout;
use crate::app::render::view::site::PageOptions;
use crate::interface::event::Pull;

/// What a live page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    Check(CheckId),
    Build {
        id: BuildId,
        check: CheckId,
    },
    /// What runs and waits; it never ends.
    Queue,
}

/// One version of the watched part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub html: Arc<str>,
    /// The subject has ended: no other version follows.
    pub is_last: bool,
}

/// The versions as of one event, by what they show and to whom.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The number of the event that comes next.
    next: u64,
    rendered: HashMap<(Subject, PageOptions), Piece>,
}

impl Pieces {
    pub fn get(&self, page: &LivePage, next: u64) -> Option<&Piece> {
        match self.next == next {
            true => self.rendered.get(&(page.subject, page.options.clone())),
            false => None,
        }
    }

    pub fn put(&mut self, key: (Subject, PageOptions), next: u64, piece: Piece) {
        if self.next != next || self.rendered.len() >= PIECES_LIMIT {
            self.next = next;
            self.rendered.clear();
        }
        self.rendered.insert(key, piece);
    }
}

/// The cursor of one watcher.
#[derive(Debug)]
pub struct LivePage {
    pub subject: Subject,
    pub options: PageOptions,
    /// What is to be sent, the next at the end.
    pending: Vec<Arc<str>>,
    /// How much of the next was sent.
    sent: usize,
    /// The version that was sent last.
    last: Option<Arc<str>>,
    versions: usize,
    /// Something has changed since.
    is_due: bool,
    has_ended: bool,
}

impl LivePage {
    /// A page that begins with this text, and has not sent a version yet.
    pub fn new(subject: Subject, options: PageOptions, begin: String) -> LivePage {
        LivePage {
            subject,
            options,
            pending: vec![begin.into()],
            sent: 0,
            last: None,
            versions: 0,
            is_due: true,
            has_ended: false,
        }
    }

    /// Something has changed.
    pub fn note(&mut self) {
        self.is_due = true;
    }

    /// True where the next pull needs a version.
    pub fn needs_piece(&self) -> bool {
        self.is_due && self.pending.is_empty()
    }

    /// Appends at most `space` bytes. `piece` is the present version, where `needs_piece`.
    pub fn pull(&mut self, piece: Option<&Piece>, space: usize, out: &mut Vec<u8>) -> Pull {
        if self.needs_piece() {
            match piece {
                Some(piece) => self.add(piece),
                None => return Pull::Unfinished,
            }
        }
        let Some(text) = self.pending.last() else {
            return if self.has_ended {
                Pull::End
            } else {
                Pull::Idle
            };
        };
        let rest = &text.as_bytes()[self.sent..];
        let taken = rest.len().min(space);
        out.extend_from_slice(&rest[..taken]);
        self.sent += taken;
        if self.sent == text.len() {
            self.pending.pop();
            self.sent = 0;
        }
        Pull::More
    }

    /// Adds a version, unless it is the same as the last.
    fn add(&mut self, piece: &Piece) {
        self.is_due = false;
        let is_same = self.last.as_ref() == Some(&piece.html);
        if !is_same {
            self.last = Some(piece.html.clone());
            self.versions += 1;
        }
        let is_full = self.versions >= VERSIONS_LIMIT;
        self.has_ended = piece.is_last || is_full;
        if self.has_ended {
            let end = layout::end_of_live(!piece.is_last);
            self.pending.push(end.into());
        }
        if !is_same {
            self.pending.push("</div>\n".into());
            self.pending.push(piece.html.clone());
            let begin = layout::begin_version(self.versions);
            self.pending.push(begin.into());
        }
    }
}
