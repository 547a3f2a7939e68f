//! Slots with generations: the key of a removed value finds nothing.

// A key must fit a mio token, which is a usize.
const _: () = assert!(usize::BITS == 64);

/// Names one value of a slab. The generation distinguishes it from earlier values of the same slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub index: u32,
    pub generation: u32,
}

impl Key {
    /// The key as one number, for a mio token. It is never `usize::MAX`: no slab is that long.
    pub fn to_bits(self) -> usize {
        (self.generation as usize) << 32 | self.index as usize
    }

    pub fn from_bits(bits: usize) -> Key {
        Key {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// Holds at most `limit` values, each under a key of its own.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// Indices of empty slots. The slot emptied last is reused first: it is still in the processor's cache.
    free: Vec<u32>,
    limit: usize,
}

#[derive(Debug)]
struct Slot<T> {
    /// Grows when a value is removed, so that its key is stale at once. It wraps after four billion values of one slot;
    /// no key is kept for that long.
    generation: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub fn new(limit: usize) -> Slab<T> {
        assert!(limit < u32::MAX as usize, "an index has 32 bits");
        Slab {
            slots: Vec::new(),
            free: Vec::new(),
            limit,
        }
    }

    /// The key of the new value. Where the slab is full there is none, and the value is dropped.
    pub fn insert(&mut self, value: T) -> Option<Key> {
        if self.is_full() {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot {
                    generation: 0,
                    value: None,
                });
                (self.slots.len() - 1) as u32
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.value = Some(value);
        Some(Key {
            index,
            generation: slot.generation,
        })
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        let same = slot.generation == key.generation;
        slot.value.as_ref().filter(|_| same)
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        let same = slot.generation == key.generation;
        slot.value.as_mut().filter(|_| same)
    }

    pub fn contains(&self, key: Key) -> bool {
        self.get(key).is_some()
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(value)
    }

    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.limit
    }

    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.iter().map(|(key, _)| key)
    }

    /// All values with their keys, in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let key = Key {
                index: index as u32,
                generation: slot.generation,
            };
            Some((key, slot.value.as_ref()?))
        })
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(index, slot)| {
            let key = Key {
                index: index as u32,
                generation: slot.generation,
            };
            Some((key, slot.value.as_mut()?))
        })
    }
}
