//! The watchers: one cursor each, pulled when its connection has space.
//!
//! An event is not copied to watchers. A watcher that had read everything is woken and reads on from its
//! cursor. A thousand watchers of a log cost a thousand cursors, and one that never reads costs only what its
//! connection buffers.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::domain::ids::{BuildId, CheckId};
use crate::app::domain::transition::Transition;
use crate::app::live::events::{EventLog, RESET};
use crate::app::live::follow::{FollowContext, Follower};
use crate::app::live::log_page::LogPage;
use crate::app::live::logs::{Logs, Reader};
use crate::app::live::page::{LivePage, Piece, Pieces, Subject};
use crate::app::live::subscription::{EventFilter, ProgressFormat};
use crate::app::live::waits::Waits;
use crate::app::render::view::site::PageOptions;
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::events::BuildEvent;
use crate::app::store::store::{self, Store};
use crate::base::slab::Key;
use crate::config::settings::Settings;
use crate::interface::event::{Action, Pull};
use crate::interface::outbox::Outbox;

/// How events are separated on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    ServerSent,
    WebSocket,
}

impl Framing {
    /// The result of a pull that appended something.
    fn appended(self) -> Pull {
        match self {
            Framing::ServerSent => Pull::More,
            Framing::WebSocket => Pull::Text,
        }
    }
}

#[derive(Debug)]
enum Watcher {
    Log(Reader),
    Events {
        filter: EventFilter,
        /// The number of the next event.
        next: u64,
        framing: Framing,
    },
    Check(Box<Follower>),
    Page(Box<LivePage>),
    LogPage(Box<LogPage>),
}

#[derive(Debug)]
pub struct Feed {
    pub logs: Logs,
    /// Clients that get one answer at the end of a check.
    pub waits: Waits,
    event_log: EventLog,
    pieces: Pieces,
    watchers: BTreeMap<Key, Watcher>,
    /// Watchers that have read every event, by the topic that wakes them.
    parked: BTreeMap<Topic, BTreeSet<Key>>,
}

/// What wakes a parked watcher. An event wakes the watchers of its topics, without a scan of all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    AnyBuild,
    Package(String),
    Check(CheckId),
}

impl Watcher {
    fn topic(&self) -> Option<Topic> {
        match self {
            Watcher::Log(_) | Watcher::LogPage(_) => None,
            Watcher::Check(follower) => Some(Topic::Check(follower.check())),
            Watcher::Page(page) => Some(match page.subject {
                Subject::Check(check) | Subject::Build { check, .. } => Topic::Check(check),
                Subject::Queue => Topic::AnyBuild,
            }),
            Watcher::Events { filter, .. } => Some(match (filter.check, &filter.package) {
                (Some(check), _) => Topic::Check(check),
                (None, Some(package)) => Topic::Package(package.clone()),
                (None, None) => Topic::AnyBuild,
            }),
        }
    }

    /// Moves a parked watcher to `event`, since it has read all earlier ones. True if it wants this one.
    fn advance_to(&mut self, event: &BuildEvent) -> bool {
        match self {
            Watcher::Log(_) | Watcher::LogPage(_) => false,
            Watcher::Check(follower) => {
                follower.skip_to(event.seq);
                true
            }
            Watcher::Page(page) => {
                page.note();
                true
            }
            Watcher::Events { filter, next, .. } => {
                *next = event.seq;
                filter.matches(event)
            }
        }
    }
}

impl Feed {
    pub fn new(settings: &Settings, store: &Store) -> store::Result<Feed> {
        Ok(Feed {
            logs: Logs::new(settings.data.join("logs")),
            waits: Waits::default(),
            event_log: EventLog::load(store)?,
            pieces: Pieces::default(),
            watchers: BTreeMap::new(),
            parked: BTreeMap::new(),
        })
    }

    /// The number of streams that are open.
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }

    /// Records the state of a build in its row, or what its verdict changes, as an event, and wakes its watchers.
    pub fn publish(
        &mut self,
        store: &mut Store,
        (row, transition): (&BuildRow, Option<Transition>),
        at: i64,
        out: &mut Outbox,
    ) -> store::Result<()> {
        let event = self.event_log.push(store, row, transition, at)?;
        if event.state.is_final() && transition.is_none() {
            self.waits.build_ended(event.check);
        }
        for topic in [
            Topic::AnyBuild,
            Topic::Package(event.package.clone()),
            Topic::Check(event.check),
        ] {
            let Some(parked) = self.parked.get_mut(&topic) else {
                continue;
            };
            parked.retain(|conn| {
                let watcher = self.watchers.get_mut(conn).expect("a parked watcher");
                let woken = watcher.advance_to(event);
                if woken {
                    out.push(Action::Wake { conn: *conn });
                }
                !woken
            });
            if parked.is_empty() {
                self.parked.remove(&topic);
            }
        }
        Ok(())
    }

    /// The number of the event that comes next.
    pub fn next_event(&self) -> u64 {
        self.event_log.next
    }

    // -- registration --

    pub fn watch_log(&mut self, conn: Key, reader: Reader) {
        self.watchers.insert(conn, Watcher::Log(reader));
    }

    /// Watches events: those after number `since`, or only new ones.
    pub fn watch_events(
        &mut self,
        conn: Key,
        filter: EventFilter,
        since: Option<u64>,
        framing: Framing,
    ) {
        let following = |seq: u64| seq.saturating_add(1);
        let watcher = Watcher::Events {
            filter,
            next: since.map_or(self.event_log.next, following),
            framing,
        };
        self.watchers.insert(conn, watcher);
    }

    /// Follows one check, from event `next` on; without it, its present state and later events.
    pub fn follow(
        &mut self,
        conn: Key,
        check: CheckRow,
        builds: &[BuildRow],
        (format, required): (ProgressFormat, Vec<String>),
        next: Option<u64>,
    ) {
        let follower = Follower::new(check, builds, (format, required), next);
        let watcher = Watcher::Check(Box::new(follower));
        self.watchers.insert(conn, watcher);
    }

    pub fn watch_page(&mut self, conn: Key, page: LivePage) {
        self.watchers.insert(conn, Watcher::Page(Box::new(page)));
    }

    pub fn watch_log_page(&mut self, conn: Key, page: LogPage) {
        self.watchers.insert(conn, Watcher::LogPage(Box::new(page)));
    }

    /// What has to be rendered before the next pull of this watcher.
    pub fn missing_piece(&self, conn: Key) -> Option<(Subject, PageOptions)> {
        match self.watchers.get(&conn) {
            Some(Watcher::Page(page)) if page.needs_piece() => {
                let known = self.pieces.get(page, self.event_log.next);
                known
                    .is_none()
                    .then(|| (page.subject, page.options.clone()))
            }
            _ => None,
        }
    }

    /// Keeps what was rendered, for all who watch the same.
    pub fn put_piece(&mut self, key: (Subject, PageOptions), piece: Piece) {
        self.pieces.put(key, self.event_log.next, piece);
    }

    /// Removes the watcher of a closed connection.
    pub fn remove(&mut self, conn: Key) {
        self.waits.remove(conn);
        let Some(watcher) = self.watchers.remove(&conn) else {
            return;
        };
        if let Some(topic) = watcher.topic()
            && let Some(parked) = self.parked.get_mut(&topic)
        {
            parked.remove(&conn);
            if parked.is_empty() {
                self.parked.remove(&topic);
            }
        }
        match watcher {
            Watcher::Log(reader) => self.logs.remove(reader, conn),
            Watcher::LogPage(page) => self.logs.remove(page.reader, conn),
            Watcher::Events { .. } | Watcher::Check(_) | Watcher::Page(_) => {}
        }
    }

    // -- reading --

    /// Appends at most `space` further bytes for the watcher.
    pub fn pull(
        &mut self,
        conn: Key,
        store: &Store,
        position: &dyn Fn(BuildId) -> Option<usize>,
        space: usize,
        out: &mut Vec<u8>,
    ) -> Pull {
        let result = match self.watchers.get_mut(&conn) {
            None => return Pull::End,
            Some(Watcher::Log(reader)) => self.logs.pull(reader, conn, space, out),
            Some(Watcher::Events {
                filter,
                next,
                framing,
            }) => pull_events(&self.event_log, filter, next, *framing, space, out),
            Some(Watcher::Check(follower)) => {
                let cx = FollowContext {
                    store,
                    event_log: &self.event_log,
                    position,
                };
                follower.pull(&cx, space, out)
            }
            Some(Watcher::Page(page)) => {
                let piece = self.pieces.get(page, self.event_log.next);
                page.pull(piece, space, out)
            }
            Some(Watcher::LogPage(page)) => page.pull(&mut self.logs, store, conn, space, out),
        };
        match result {
            Pull::End | Pull::Unfinished => self.remove(conn),
            Pull::Idle => {
                // Readers of logs have no topic: `Logs` parks them itself.
                let topic = self.watchers.get(&conn).and_then(Watcher::topic);
                if let Some(topic) = topic {
                    self.parked.entry(topic).or_default().insert(conn);
                }
            }
            Pull::More | Pull::Text => {}
        }
        result
    }
}

/// Appends as many events as there is space for; on a WebSocket one, as a message of its own.
fn pull_events(
    event_log: &EventLog,
    filter: &EventFilter,
    next: &mut u64,
    framing: Framing,
    space: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let start = out.len();
    if !event_log.holds(*next) {
        *next = event_log.next;
        put_event(RESET, next.saturating_sub(1), framing, out);
        return framing.appended();
    }
    for entry in event_log.since(*next) {
        let seq = entry.event.seq;
        if filter.matches(&entry.event) {
            let bytes = entry.json.len() + SSE_OVERHEAD_BYTES;
            if out.len() - start + bytes > space {
                return Pull::More;
            }
            put_event(&entry.json, seq, framing, out);
            if framing == Framing::WebSocket {
                *next = seq + 1;
                return Pull::Text;
            }
        }
        *next = seq + 1;
    }
    match out.len() > start {
        true => Pull::More,
        false => Pull::Idle,
    }
}

/// Most bytes around an event's JSON: two field names, 20 digits, line ends.
const SSE_OVERHEAD_BYTES: usize = 40;

fn put_event(json: &str, seq: u64, framing: Framing, out: &mut Vec<u8>) {
    match framing {
        Framing::WebSocket => out.extend_from_slice(json.as_bytes()),
        Framing::ServerSent => {
            out.extend_from_slice(format!("id: {seq}\ndata: {json}\n\n").as_bytes())
        }
    }
}
