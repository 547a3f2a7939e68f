//! Who watches what: one cursor per watcher, which pulls when its connection has room.
//!
//! Nothing is copied for a watcher when something happens: it is woken, if it had seen all there
//! was, and reads on from its cursor. So a thousand watchers of a log cost a thousand cursors, and
//! one that never reads costs what its connection holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::live::events::{EventLog, RESET};
use crate::app::live::follow::{FollowContext, Follower};
use crate::app::live::logs::{Logs, Reader};
use crate::app::live::subscription::{EventFilter, ProgressFormat};
use crate::app::store::builds::BuildRow;
use crate::app::store::checks::CheckRow;
use crate::app::store::events::BuildEvent;
use crate::app::store::store::{self, Store};
use crate::base::slab::Key;
use crate::config::settings::Settings;
use crate::interface::event::{Action, Pull};
use crate::interface::outbox::Outbox;

#[derive(Debug)]
enum Watcher {
    Log(Reader),
    Events {
        filter: EventFilter,
        /// The number of the next event.
        next: u64,
        socket: bool,
    },
    Check(Box<Follower>),
}

#[derive(Debug)]
pub struct Feed {
    pub logs: Logs,
    event_log: EventLog,
    watchers: BTreeMap<Key, Watcher>,
    /// Watchers of events who have seen all there is, by what is to wake them.
    parked: BTreeMap<Topic, BTreeSet<Key>>,
}

/// What a watcher of events sleeps for: a change is looked up, not shown to all who sleep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    AnyBuild,
    Package(String),
    Check(i64),
}

impl Watcher {
    fn topic(&self) -> Option<Topic> {
        match self {
            Watcher::Log(_) => None,
            Watcher::Check(follower) => Some(Topic::Check(follower.check())),
            Watcher::Events { filter, .. } => Some(match (filter.check, &filter.package) {
                (Some(check), _) => Topic::Check(check),
                (None, Some(package)) => Topic::Package(package.clone()),
                (None, None) => Topic::AnyBuild,
            }),
        }
    }

    /// Who sleeps has seen all that came before this. False where it is nothing to it.
    fn note(&mut self, event: &BuildEvent) -> bool {
        match self {
            Watcher::Log(_) => false,
            Watcher::Check(follower) => {
                follower.skip_to(event.seq);
                true
            }
            Watcher::Events { filter, next, .. } => {
                *next = event.seq;
                filter.wants(event)
            }
        }
    }
}

impl Feed {
    pub fn new(settings: &Settings, store: &Store) -> store::Result<Feed> {
        Ok(Feed {
            logs: Logs::new(settings.data.join("logs")),
            event_log: EventLog::load(store)?,
            watchers: BTreeMap::new(),
            parked: BTreeMap::new(),
        })
    }

    /// A build has come to where its row, as it was written, says it is: that is an event.
    pub fn changed(
        &mut self,
        store: &mut Store,
        row: &BuildRow,
        at: i64,
        out: &mut Outbox,
    ) -> store::Result<()> {
        let event = self.event_log.push(store, row, at)?;
        for topic in [
            Topic::AnyBuild,
            Topic::Package(event.package.clone()),
            Topic::Check(event.check),
        ] {
            let Some(sleepers) = self.parked.get_mut(&topic) else {
                continue;
            };
            sleepers.retain(|conn| {
                let watcher = self.watchers.get_mut(conn).expect("it sleeps");
                let woken = watcher.note(event);
                if woken {
                    out.push(Action::Wake { conn: *conn });
                }
                !woken
            });
            if sleepers.is_empty() {
                self.parked.remove(&topic);
            }
        }
        Ok(())
    }

    /// The number of the event that comes next.
    pub fn next_event(&self) -> u64 {
        self.event_log.next()
    }

    // -- watchers come and go --

    pub fn watch_log(&mut self, conn: Key, reader: Reader) {
        self.watchers.insert(conn, Watcher::Log(reader));
    }

    /// Events behind number `since`, or those to come.
    pub fn watch_events(
        &mut self,
        conn: Key,
        filter: EventFilter,
        since: Option<u64>,
        socket: bool,
    ) {
        let behind = |seq: u64| seq.saturating_add(1);
        let watcher = Watcher::Events {
            filter,
            next: since.map_or(self.event_log.next(), behind),
            socket,
        };
        self.watchers.insert(conn, watcher);
    }

    /// One check, from event `next` on or, without one, as it is now and from now on.
    pub fn follow(
        &mut self,
        conn: Key,
        check: CheckRow,
        builds: &[BuildRow],
        format: ProgressFormat,
        next: Option<u64>,
    ) {
        let follower = Follower::new(check, builds, format, next);
        let watcher = Watcher::Check(Box::new(follower));
        self.watchers.insert(conn, watcher);
    }

    pub fn gone(&mut self, conn: Key) {
        let Some(watcher) = self.watchers.remove(&conn) else {
            return;
        };
        if let Some(topic) = watcher.topic()
            && let Some(sleepers) = self.parked.get_mut(&topic)
        {
            sleepers.remove(&conn);
            if sleepers.is_empty() {
                self.parked.remove(&topic);
            }
        }
        if let Watcher::Log(reader) = watcher {
            self.logs.leave(reader, conn);
        }
    }

    // -- and are told --

    /// Gives the watcher at most `room` further bytes.
    pub fn pull(
        &mut self,
        conn: Key,
        store: &Store,
        position: &dyn Fn(i64) -> Option<usize>,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Pull {
        let gave = match self.watchers.get_mut(&conn) {
            None => return Pull::End,
            Some(Watcher::Log(reader)) => self.logs.pull(reader, conn, room, out),
            Some(Watcher::Events {
                filter,
                next,
                socket,
            }) => pull_events(&self.event_log, filter, next, *socket, room, out),
            Some(Watcher::Check(follower)) => {
                let cx = FollowContext {
                    store,
                    event_log: &self.event_log,
                    position,
                };
                follower.pull(&cx, room, out)
            }
        };
        match gave {
            Pull::End => self.gone(conn),
            Pull::Idle => {
                // A log knows its own sleepers.
                let topic = self.watchers.get(&conn).and_then(Watcher::topic);
                if let Some(topic) = topic {
                    self.parked.entry(topic).or_default().insert(conn);
                }
            }
            Pull::More | Pull::Text => {}
        }
        gave
    }
}

/// One event for a socket, as many as there is room for otherwise.
fn pull_events(
    event_log: &EventLog,
    filter: &EventFilter,
    next: &mut u64,
    socket: bool,
    room: usize,
    out: &mut Vec<u8>,
) -> Pull {
    let start = out.len();
    if !event_log.holds(*next) {
        *next = event_log.next();
        put_event(RESET, next.saturating_sub(1), socket, out);
        return if socket { Pull::Text } else { Pull::More };
    }
    for kept in event_log.since(*next) {
        let seq = kept.event.seq;
        if filter.wants(&kept.event) {
            let bytes = kept.json.len() + FRAME_BYTES;
            if out.len() - start + bytes > room {
                return Pull::More;
            }
            put_event(&kept.json, seq, socket, out);
            if socket {
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

/// What stands around an event's JSON at most: two field names, 20 digits, line ends.
const FRAME_BYTES: usize = 40;

fn put_event(json: &str, seq: u64, socket: bool, out: &mut Vec<u8>) {
    match socket {
        true => out.extend_from_slice(json.as_bytes()),
        false => out.extend_from_slice(format!("id: {seq}\ndata: {json}\n\n").as_bytes()),
    }
}
