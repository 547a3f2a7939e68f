//! Slots with generations: a key of something that is gone finds nothing.

/// Names one value of a slab. The generation tells it from earlier tenants of the same slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub index: u32,
    pub generation: u32,
}
