//! Who reads which log: one cursor per reader.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::calls;
use crate::config::{PULL_LIMIT_BYTES, Settings};
use crate::event::Pull;
use crate::log;
use crate::message::Response;
use crate::slab::Key;
use crate::store::Store;

#[derive(Debug)]
struct Reader {
    file: File,
    /// Next byte to send.
    offset: u64,
}

#[derive(Debug)]
pub struct Feed {
    logs: PathBuf,
    readers: HashMap<Key, Reader>,
}

impl Feed {
    pub fn new(settings: &Settings) -> Feed {
        Feed {
            logs: settings.data.join("logs"),
            readers: HashMap::new(),
        }
    }

    /// Lets a connection read the log of a finished build, from its last `tail` lines on; gives
    /// the head of the answer, or the answer that says why not.
    pub fn open(
        &mut self,
        store: &Store,
        conn: Key,
        build: i64,
        tail: Option<u64>,
    ) -> Result<Response, Response> {
        let row = store.build(build).map_err(calls::database)?;
        let row = row.ok_or_else(|| Response::error(404, "there is no such build"))?;
        if !row.state.is_final() {
            let sentence = "the build is not finished: its log comes with its verdict";
            return Err(Response::error(409, sentence));
        }
        let path = self.logs.join(format!("{build}.log"));
        let reader = File::open(path).and_then(|file| {
            let offset = match tail {
                None => 0,
                Some(lines) => log::tail_start(&file, lines)?,
            };
            Ok(Reader { file, offset })
        });
        let reader = reader.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Response::error(404, "this build left no log"),
            _ => Response::error(503, &format!("the log cannot be read: {error}")),
        })?;
        self.readers.insert(conn, reader);
        let head = Response::new(200, "text/plain; charset=utf-8", Vec::new());
        Ok(calls::open_to_all(head))
    }

    /// Gives the reader at most `room` further bytes.
    pub fn pull(&mut self, conn: Key, room: usize, out: &mut Vec<u8>) -> Pull {
        let Some(reader) = self.readers.get_mut(&conn) else {
            return Pull::End;
        };
        let start = out.len();
        out.resize(start + room.min(PULL_LIMIT_BYTES), 0);
        let read = reader.file.read_at(&mut out[start..], reader.offset);
        // A log that cannot be read any further ends here: its head has long been sent.
        let read = read.unwrap_or(0);
        out.truncate(start + read);
        reader.offset += read as u64;
        if read == 0 {
            self.readers.remove(&conn);
            return Pull::End;
        }
        Pull::More
    }

    pub fn gone(&mut self, conn: Key) {
        self.readers.remove(&conn);
    }
}
