//! Logs that are read while they are written, and after: by readers of any pace, from any offset.

use std::path::{Path, PathBuf};

use crate::common::seed::Seed;
use zigcheck::app::domain::ids::BuildId;
use zigcheck::app::live::limits::{LOG_HEAD_BYTES, LOG_TAIL_BYTES};
use zigcheck::app::live::logs::{Logs, Origin, Reader};
use zigcheck::app::store::builds::LogSize;
use zigcheck::base::slab::Key;
use zigcheck::interface::event::{Action, Pull};
use zigcheck::interface::outbox::Outbox;

const BUILD: i64 = 7;

fn logs(name: &str) -> (Logs, PathBuf) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    (Logs::new(dir.clone()), dir.join(format!("{BUILD}.log")))
}

fn key(index: usize) -> Key {
    Key {
        index: index as u32,
        generation: 0,
    }
}

struct Client {
    conn: Key,
    reader: Option<Reader>,
    awake: bool,
    apart: bool,
    /// Where the next byte stands in all that was written; followed by who is told of cuts.
    offset: usize,
    got: Vec<u8>,
}

impl Client {
    fn new(index: usize, reader: Reader, apart: bool, offset: usize) -> Client {
        Client {
            conn: key(index),
            reader: Some(reader),
            awake: true,
            apart,
            offset,
            got: Vec::new(),
        }
    }

    /// One pull; false where there was nothing to be had.
    fn pull(&mut self, logs: &mut Logs, room: usize, written: &[u8]) -> bool {
        let Some(reader) = self.reader.as_mut().filter(|_| self.awake) else {
            return false;
        };
        let mut out = Vec::new();
        let gave = logs.pull(reader, self.conn, room, &mut out);
        assert!(out.len() <= room);
        match gave {
            Pull::More => {
                assert!(!out.is_empty());
                if self.apart {
                    assert!(written[self.offset..].starts_with(&out));
                    self.offset += out.len();
                }
                self.got.extend(out);
            }
            Pull::Text => {
                assert!(self.apart, "cuts are told to who asked for it");
                let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(told["type"], "cut");
                let resume = told["offset"].as_u64().unwrap() as usize;
                assert!(resume > self.offset);
                self.offset = resume;
            }
            Pull::Idle => self.awake = false,
            Pull::End | Pull::Unfinished => {
                logs.remove(self.reader.take().unwrap(), self.conn);
            }
        }
        true
    }
}

fn wake(clients: &mut [Client], out: &mut Outbox) {
    while let Some(action) = out.take() {
        let Action::Wake { conn } = action else {
            panic!("{action:?}")
        };
        let client = clients.iter_mut().find(|client| client.conn == conn);
        let client = client.expect("it watches");
        assert!(!client.awake, "woken twice");
        client.awake = true;
    }
}

/// A log of about `bytes` bytes and its readers; all bytes, the stored file, the readers.
fn live(name: &str, seed: &mut Seed, bytes: usize) -> (Vec<u8>, Vec<u8>, Vec<Client>) {
    let (mut logs, path) = logs(name);
    let mut out = Outbox::default();
    let (mut written, mut clients) = (Vec::new(), Vec::new());
    while written.len() < bytes {
        if clients.len() < 12 && seed.once_in(4) {
            let apart = seed.once_in(2);
            let from = match apart {
                true => seed.below(written.len() + 1),
                false => 0,
            };
            let reader = logs.read_live(BuildId(BUILD), from as u64, None, apart);
            clients.push(Client::new(clients.len(), reader, apart, from));
        }
        for client in &mut clients {
            for _ in 0..seed.below(4) {
                client.pull(&mut logs, seed.between(64, 32 << 10), &written);
            }
        }
        logs.begin(BuildId(BUILD), 1);
        let count = seed.between(1, 64 << 10);
        let piece = seed.bytes(count);
        written.extend_from_slice(&piece);
        logs.append(BuildId(BUILD), &piece, &mut out);
        wake(&mut clients, &mut out);
    }
    let truncated = written.len() as u64 > LOG_HEAD_BYTES + LOG_TAIL_BYTES;
    let end = logs.finish(BuildId(BUILD), &mut out);
    let size = LogSize {
        written: written.len() as u64,
        is_truncated: truncated,
    };
    assert_eq!(end, size);
    wake(&mut clients, &mut out);
    for client in &mut clients {
        while client.pull(&mut logs, 32 << 10, &written) {}
        assert!(client.reader.is_none(), "it was told of the end");
    }
    (written, std::fs::read(path).unwrap(), clients)
}

#[test]
fn whoever_reads_a_log_as_it_is_written_gets_the_log() {
    for n in 0..40 {
        let seed = &mut Seed(n);
        let bytes = seed.between(1, 3 << 20);
        let (written, stored, clients) = live("whole", seed, bytes);
        assert_eq!(stored, written, "seed {n}");
        for client in clients {
            let from = match client.apart {
                true => client.offset - client.got.len(),
                false => 0,
            };
            assert!(client.got == written[from..], "seed {n}, {}", client.apart);
        }
    }
}

#[test]
fn who_falls_behind_is_told_of_the_cut_and_gets_the_end() {
    let mut cuts = 0;
    for n in 0..12 {
        let seed = &mut Seed(n);
        let (written, stored, clients) = live("cut", seed, 9 << 20);
        let tail = &written[written.len() - LOG_TAIL_BYTES as usize..];
        assert!(stored.starts_with(&written[..LOG_HEAD_BYTES as usize]));
        assert!(stored.ends_with(tail));
        for client in clients {
            assert!(client.got.ends_with(&tail[1 << 20..]), "seed {n}");
            if client.apart {
                assert_eq!(client.offset, written.len(), "seed {n}");
            } else {
                let line = b"bytes cut here]\n";
                cuts += client.got.windows(line.len()).filter(|w| w == line).count();
            }
        }
    }
    assert!(cuts > 10, "nobody fell behind: {cuts}");
}

#[test]
fn a_stored_log_is_resumed_by_the_offsets_it_was_read_by() {
    for total in [0, 10, 3 << 20, (4 << 20) + 1, 5 << 20] {
        let seed = &mut Seed(total as u64);
        let (mut logs, path) = logs("stored");
        let mut out = Outbox::default();
        let written = seed.bytes(total);
        logs.begin(BuildId(BUILD), 1);
        logs.append(BuildId(BUILD), &written, &mut out);
        logs.finish(BuildId(BUILD), &mut out);
        let end = std::fs::metadata(path).unwrap().len();
        let (head, tail) = (
            LOG_HEAD_BYTES as usize,
            total.saturating_sub(LOG_TAIL_BYTES as usize),
        );
        let mut offsets = vec![0, 1, total / 2, head, head + 1, tail, tail + 1, total];
        offsets.retain(|offset| *offset <= total);
        for (index, from) in offsets.into_iter().enumerate() {
            let reader = Reader::stored_with_gaps(BuildId(BUILD), end, from as u64, total as u64);
            let mut client = Client::new(index, reader, true, from);
            while client.pull(&mut logs, 32 << 10, &written) {}
            assert_eq!(client.offset, total, "from {from} of {total}");
            let gap = if total > 4 << 20 && from < tail {
                tail - from.max(head)
            } else {
                0
            };
            assert_eq!(
                client.got.len(),
                total - from - gap,
                "from {from} of {total}"
            );
        }
    }
}

#[test]
fn a_log_nobody_has_begun_is_waited_for() {
    let (mut logs, _) = logs("early");
    let mut out = Outbox::default();
    let reader = logs.read_live(BuildId(BUILD), 0, Some(3), false);
    let mut clients = [Client::new(0, reader, false, 0)];
    assert!(clients[0].pull(&mut logs, 100, b"") && !clients[0].awake);
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), b"at last", &mut out);
    wake(&mut clients, &mut out);
    assert!(clients[0].pull(&mut logs, 100, b"at last"));
    assert_eq!(clients[0].got, b"at last");
    assert_eq!(logs.finish(BuildId(BUILD), &mut out), whole(7));
}

fn whole(written: u64) -> LogSize {
    LogSize {
        written,
        is_truncated: false,
    }
}

/// The logs as the next run of the server finds them.
fn again(path: &Path) -> Logs {
    Logs::new(path.parent().unwrap().to_path_buf())
}

#[test]
fn a_log_goes_on_with_another_attempt_after_a_restart() {
    let (mut logs, path) = logs("restart");
    let mut out = Outbox::default();
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), b"half a li", &mut out);
    drop(logs);
    let mut logs = again(&path);
    logs.annotate(BuildId(BUILD), 2, "attempt 2 follows", &mut out);
    let mut client = Client::new(0, logs.read_live(BuildId(BUILD), 9, None, true), true, 9);
    logs.begin(BuildId(BUILD), 2);
    logs.append(BuildId(BUILD), b"the second run", &mut out);
    logs.finish(BuildId(BUILD), &mut out);
    let stored = std::fs::read(path).unwrap();
    let wanted = b"half a li\n[zigcheck: attempt 2 follows]\nthe second run";
    assert_eq!(stored, wanted);
    while client.pull(&mut logs, 100, &stored) {}
    assert_eq!(client.got, stored[9..]);
}

#[test]
fn a_first_attempt_begins_anew_whatever_file_is_there() {
    let (_, path) = logs("first");
    std::fs::write(&path, b"of an earlier life").unwrap();
    let mut logs = again(&path);
    let mut out = Outbox::default();
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), b"new", &mut out);
    assert_eq!(logs.finish(BuildId(BUILD), &mut out), whole(3));
    assert_eq!(std::fs::read(path).unwrap(), b"new");
}

#[test]
fn a_build_that_wrote_nothing_leaves_no_log_of_an_earlier_life() {
    for watched in [false, true] {
        let (_, path) = logs("leftover");
        std::fs::write(&path, b"of an earlier life").unwrap();
        let mut logs = again(&path);
        let mut out = Outbox::default();
        let reader = watched.then(|| logs.read_live(BuildId(BUILD), 0, None, true));
        assert_eq!(logs.finish(BuildId(BUILD), &mut out), whole(0));
        assert!(!path.exists());
        if let Some(mut reader) = reader {
            let pulled = logs.pull(&mut reader, key(0), 1_000, &mut Vec::new());
            assert_eq!(pulled, Pull::End);
        }
    }
}

#[test]
fn a_cached_verdict_leaves_no_log_but_that_of_its_origin() {
    let (mut logs, path) = logs("cached");
    let mut out = Outbox::default();
    logs.annotate(BuildId(BUILD), 2, "attempt 2 follows", &mut out);
    let origin = Origin {
        build: BuildId(BUILD + 1),
        written: 0,
    };
    logs.finish_as(BuildId(BUILD), origin, &mut out);
    assert!(!path.exists());
}

#[test]
fn a_log_that_lost_its_count_begins_anew_and_says_so() {
    let (mut logs, path) = logs("anew");
    let mut out = Outbox::default();
    let much = vec![b'x'; 5 << 20];
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), &much, &mut out);
    let mut logs = again(&path);
    logs.annotate(BuildId(BUILD), 2, "attempt 2 follows", &mut out);
    let mut reader = logs.read_live(BuildId(BUILD), 5 << 20, None, true);
    let total = logs.finish(BuildId(BUILD), &mut out).written;
    assert_eq!(total, std::fs::metadata(path).unwrap().len());
    assert!(total < 100);
    let after = Reader::stored_with_gaps(BuildId(BUILD), total, 5 << 20, total);
    for reader in [&mut reader, &mut { after }] {
        let mut told = Vec::new();
        assert_eq!(logs.pull(reader, key(0), 1_000, &mut told), Pull::Text);
        assert_eq!(told, br#"{"type":"reset"}"#);
        assert_eq!(logs.pull(reader, key(0), 1_000, &mut told), Pull::End);
    }
}

/// A container writes `before` bytes at which its build has `start` in its log already; it goes on to
/// `whole`, and whoever takes over writes all of that once more. In the same run of the server, or
/// in the next.
fn taken_anew(name: &str, (start, before, whole): (usize, usize, usize), crash: bool) -> Vec<u8> {
    let (mut logs, path) = logs(name);
    let (mut out, seed) = (Outbox::default(), &mut Seed(start as u64 + whole as u64));
    let (earlier, container) = (seed.bytes(start), seed.bytes(whole));
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), &earlier, &mut out);
    logs.append(BuildId(BUILD), &container[..before], &mut out);
    if crash {
        logs = again(&path);
        logs.adopt(BuildId(BUILD), start as u64);
    }
    let from = logs.rewind(BuildId(BUILD), start as u64);
    assert!(from == start as u64 || from == 0, "{from}");
    for piece in container.chunks(60_000) {
        logs.append(BuildId(BUILD), piece, &mut out);
    }
    let total = logs.finish(BuildId(BUILD), &mut out).written;
    assert_eq!(total, from + whole as u64);
    let stored = std::fs::read(path).unwrap();
    let all = [&earlier[..from as usize], &container].concat();
    if all.len() <= (LOG_HEAD_BYTES + LOG_TAIL_BYTES) as usize {
        assert_eq!(stored, all);
    } else {
        assert!(stored.starts_with(&all[..LOG_HEAD_BYTES as usize]));
        assert!(stored.ends_with(&all[all.len() - LOG_TAIL_BYTES as usize..]));
    }
    earlier[..from as usize].to_vec()
}

#[test]
fn what_a_container_wrote_is_taken_anew_byte_for_byte() {
    let mib = 1 << 20;
    for crash in [false, true] {
        for case in [
            (0, 0, 10),
            (0, 7, 10),
            (5, 0, 10),
            (1_000, 70_000, 200_000),
            (1_000, 2 * mib, 3 * mib),
            // The ring has gone round, but what stands before it is in the head.
            (1_000, 5 * mib, 6 * mib),
            (mib, 4 * mib, 4 * mib),
        ] {
            let kept = taken_anew("taken-anew", case, crash);
            assert_eq!(kept.len(), case.0, "{case:?}");
        }
        // What stood before it has been written over.
        let kept = taken_anew("taken-anew", (2 * mib, 5 * mib, 5 * mib), crash);
        assert!(kept.is_empty());
    }
}

#[test]
fn a_reader_waits_while_what_it_has_read_is_written_once_more() {
    let (mut logs, _) = logs("reader-waits");
    let mut out = Outbox::default();
    let written = b"one two three four";
    logs.begin(BuildId(BUILD), 1);
    logs.append(BuildId(BUILD), &written[..13], &mut out);
    let mut clients = [Client::new(
        0,
        logs.read_live(BuildId(BUILD), 0, None, true),
        true,
        0,
    )];
    while clients[0].pull(&mut logs, 100, written) && clients[0].awake {}
    assert_eq!(clients[0].got, &written[..13]);
    assert_eq!(logs.rewind(BuildId(BUILD), 0), 0);
    for piece in written.chunks(5) {
        logs.append(BuildId(BUILD), piece, &mut out);
        wake(&mut clients, &mut out);
        clients[0].pull(&mut logs, 100, written);
    }
    logs.finish(BuildId(BUILD), &mut out);
    wake(&mut clients, &mut out);
    while clients[0].pull(&mut logs, 100, written) {}
    assert_eq!(clients[0].got, written);
}

/// A proxy may hold the head of the answer back until there is a byte of the body.
#[test]
fn a_proxied_reader_gets_a_byte_at_once_and_others_only_the_log() {
    let (mut logs, _) = logs("logs-first-byte");
    let mut out = Outbox::default();
    let build = BuildId(BUILD);
    let pull = |logs: &mut Logs, reader: &mut Reader| {
        let mut bytes = Vec::new();
        let pulled = logs.pull(reader, key(1), 100, &mut bytes);
        (pulled, String::from_utf8(bytes).unwrap())
    };
    let text = |text: &str| (Pull::More, text.to_string());
    let nothing = (Pull::Idle, String::new());
    // Before there is a log, and while it is empty.
    let mut early = logs.read_live(build, 0, None, false).opened_at_once();
    assert_eq!(pull(&mut logs, &mut early), text("\n"));
    assert_eq!(pull(&mut logs, &mut early), nothing);
    logs.begin(build, 1);
    let mut direct = logs.read_live(build, 0, None, false);
    let mut tail = logs.read_live(build, 0, Some(1), false).opened_at_once();
    assert_eq!(pull(&mut logs, &mut direct), nothing);
    assert_eq!(pull(&mut logs, &mut tail), text("\n"));
    logs.append(build, b"a\nb\n", &mut out);
    assert!(
        matches!(out.take(), Some(Action::Wake { .. })),
        "it is parked all the same"
    );
    for reader in [&mut early, &mut direct, &mut tail] {
        assert_eq!(pull(&mut logs, reader), text("a\nb\n"));
        assert_eq!(pull(&mut logs, reader), nothing);
    }
    // Where there is something to read, or will be nothing.
    let mut late = logs.read_live(build, 0, None, false).opened_at_once();
    assert_eq!(pull(&mut logs, &mut late), text("a\nb\n"));
    assert_eq!(pull(&mut logs, &mut late), nothing);
    let mut end = logs.read_live(build, 4, None, false).opened_at_once();
    logs.finish(build, &mut out);
    assert_eq!(pull(&mut logs, &mut end), (Pull::End, String::new()));
}
