//! Reads, each answered at once or in a later turn.
//!
//! ```text
//!     a read ──> rendered since the last change, in this second ──> that answer again
//!            ──> the reads of this turn have cost enough ────────> it waits: first come, first served
//!            ──> otherwise it is rendered, and kept
//! ```

use std::collections::{HashMap, VecDeque};

use crate::app::domain::ids::PackageId;
use crate::app::state::State;
use crate::app::web::answer::{Answer, Error, Shown};
use crate::app::web::conditional::{self, Precondition, Target};
use crate::app::web::handlers::{pages, read};
use crate::app::web::limits::{
    KEPT_ANSWER_BYTES, KEPT_LIMIT_BYTES, READ_BASE_STEPS, READS_LIMIT_STEPS, READS_PAUSE_MS,
    WAITING_READS_LIMIT,
};
use crate::app::web::routes::pages::PageCall;
use crate::app::web::routes::read::ReadCall;
use crate::app::web::routes::table::{self, Call};
use crate::base::slab::Key;
use crate::interface::message::{Compressed, Head, Response};

/// A call whose answer follows from the state and the second of the clock alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Read {
    Data(ReadCall),
    Page(PageCall),
}

impl Read {
    /// True where the answer says to the millisecond how long something has taken, or counts requests: none is true for
    /// a second.
    fn is_exact(&self) -> bool {
        matches!(self, Read::Data(ReadCall::Queue { .. } | ReadCall::Metrics))
    }
}

/// The answers that are still true, and the reads that wait.
#[derive(Default)]
pub struct Reads {
    kept: HashMap<Read, Rendered>,
    kept_bytes: usize,
    /// The second since 1970 in which the kept answers were rendered: they say how old something is.
    kept_s: i64,
    waiting: VecDeque<WaitingRead>,
    /// What the reads of this turn have cost.
    used_steps: u64,
    /// How many reads were answered with kept answers.
    pub again: u64,
}

/// An answer to whoever asks the same.
#[derive(Debug, Clone, PartialEq)]
struct Rendered {
    response: Response,
    /// None where the answer is not 200.
    etag: Option<String>,
    viewed: Option<PackageId>,
}

struct WaitingRead {
    conn: Key,
    is_open: bool,
    head: Head,
    read: Read,
}

impl Reads {
    /// Forgets all kept answers. To be called before and after whatever may change the state.
    pub fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    pub fn begin_turn(&mut self) {
        self.used_steps = 0;
    }

    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The connection has ended.
    pub fn abort(&mut self, conn: Key) {
        self.waiting.retain(|waiting| waiting.conn != conn);
    }

    /// The answer, or `Answer::Later`: then `next` has it in a later turn, with `is_open`.
    pub fn answer(
        &mut self,
        state: &mut State,
        (conn, is_open): (Key, bool),
        head: &Head,
        read: Read,
    ) -> Result<Answer, Error> {
        if let Some(answer) = self.again(state, head, &read) {
            return Ok(answer);
        }
        if self.used_steps < READS_LIMIT_STEPS && self.waiting.is_empty() {
            return self.first(state, head, read);
        }
        if self.waiting.len() >= WAITING_READS_LIMIT {
            let sentence = "too many requests wait to be read";
            return Err(Response::later(503, sentence, READS_PAUSE_MS).into());
        }
        self.waiting.push_back(WaitingRead {
            conn,
            is_open,
            head: head.clone(),
            read,
        });
        Ok(Answer::Later)
    }

    /// The next read that waited, answered; none once the reads of this turn have cost enough.
    pub fn next(&mut self, state: &mut State) -> Option<(Key, bool, Result<Answer, Error>)> {
        if self.used_steps >= READS_LIMIT_STEPS {
            return None;
        }
        let WaitingRead {
            conn,
            is_open,
            head,
            read,
        } = self.waiting.pop_front()?;
        let answer = match self.again(state, &head, &read) {
            Some(answer) => Ok(answer),
            None => self.first(state, &head, read),
        };
        let answer = answer.map_err(|error| pages::refused(state, &head, error));
        Some((conn, is_open, answer))
    }

    /// The kept answer, if there is one that is still true.
    fn again(&mut self, state: &mut State, head: &Head, read: &Read) -> Option<Answer> {
        let now_s = state.now().unix_ms.div_euclid(1_000);
        if self.kept_s != now_s {
            self.kept_s = now_s;
            self.forget();
        }
        let rendered = self.kept.get(read)?.clone();
        // Each test of the server tests this too.
        #[cfg(debug_assertions)]
        if let (Ok(fresh), _) = render(state, read) {
            assert_eq!(rendered, fresh, "a stale answer to {read:?}");
        }
        self.again += 1;
        Some(rendered.answer(state, head))
    }

    fn first(&mut self, state: &mut State, head: &Head, read: Read) -> Result<Answer, Error> {
        let (rendered, steps) = render(state, &read);
        self.used_steps += steps + READ_BASE_STEPS;
        let mut rendered = rendered?;
        // The compressed form may be kept beside the body, and is no longer.
        let bytes = 2 * rendered.response.body.len() + KEPT_ANSWER_BYTES;
        if self.kept_bytes + bytes > KEPT_LIMIT_BYTES {
            self.forget();
        }
        if bytes <= KEPT_LIMIT_BYTES && !read.is_exact() {
            rendered.response.compressed = Compressed::shared();
            self.kept_bytes += bytes;
            self.kept.insert(read, rendered.clone());
        }
        Ok(rendered.answer(state, head))
    }
}

/// Renders an answer as of the beginning of the second: all answers of one second are the same. Gives the steps of its
/// statements too.
fn render(state: &mut State, read: &Read) -> (Result<Rendered, Error>, u64) {
    let now = state.now();
    if !read.is_exact() {
        state.services.now.unix_ms -= now.unix_ms.rem_euclid(1_000);
    }
    state.services.store.begin_read();
    let shown = match read.clone() {
        Read::Data(call) => read::read(state, call),
        Read::Page(call) => pages::page(state, call),
    };
    let steps = state.services.store.end_read();
    state.services.now = now;
    let rendered = shown.map(|Shown { response, viewed }| {
        let (response, etag) = conditional::tagged(response);
        Rendered {
            response,
            etag,
            viewed,
        }
    });
    (rendered, steps)
}

impl Rendered {
    fn answer(self, state: &mut State, head: &Head) -> Answer {
        if let Some(package) = self.viewed {
            state.views.count(package, head);
        }
        let etag = self.etag.as_deref();
        conditional::answer(head, self.response, etag, state.now().unix_ms).into()
    }
}

/// 412 where what the request would change does not meet its preconditions. A path is in the version that a read of it
/// gives.
pub fn check_change(state: &mut State, head: &Head) -> Result<(), Error> {
    if !conditional::has_precondition(head) {
        return Ok(());
    }
    let read = Head {
        method: "GET".to_string(),
        path: head.path.clone(),
        ..Head::default()
    };
    let settings = &state.settings;
    let routed = table::find(&read);
    let call = routed.and_then(|routed| routed.read(&read, b"", settings));
    let etag = match call {
        Ok(Call::Read(call)) => match render(state, &Read::Data(call)).0 {
            Ok(rendered) => rendered.etag,
            // The change is refused for the same reason.
            Err(Error::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        },
        _ => None,
    };
    let target = etag.as_deref().map_or(Target::Absent, Target::Tagged);
    match conditional::evaluate(head, target, state.now().unix_ms) {
        Precondition::Fails(sentence) => Err(conditional::failed(sentence).into()),
        Precondition::Holds | Precondition::NotModified => Ok(()),
    }
}
