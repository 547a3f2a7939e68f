//! A queue of slab keys that holds each key at most once.

use std::collections::VecDeque;

use crate::base::slab::Key;

/// First in, first out. Pushing a key that is queued already changes nothing.
#[derive(Debug, Default)]
pub struct KeyQueue {
    keys: VecDeque<Key>,
    /// For each slot the generation of its queued key. An older key of the slot may still be in `keys`: it is stale
    /// and finds nothing in the slab.
    queued: Vec<Option<u32>>,
}

impl KeyQueue {
    pub fn push(&mut self, key: Key) {
        let slot = key.index as usize;
        if slot >= self.queued.len() {
            self.queued.resize(slot + 1, None);
        }
        let before = self.queued[slot].replace(key.generation);
        if before != Some(key.generation) {
            self.keys.push_back(key);
        }
    }

    pub fn pop(&mut self) -> Option<Key> {
        let key = self.keys.pop_front()?;
        self.queued[key.index as usize].take_if(|generation| *generation == key.generation);
        Some(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
