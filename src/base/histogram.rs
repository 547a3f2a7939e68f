//! A histogram: how many values were at most as large as each of its bounds.

/// A histogram of values of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    /// Each above the one before it.
    bounds: [u64; N],
    /// The values up to each bound and above the one before it.
    counts: [u64; N],
    /// The number of all values, also of those above the last bound.
    pub count: u64,
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    pub const fn new(bounds: [u64; N]) -> Histogram<N> {
        Histogram {
            bounds,
            counts: [0; N],
            count: 0,
            sum: 0,
        }
    }

    pub fn add(&mut self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Each bound with the number of values up to it.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds
            .iter()
            .zip(self.counts)
            .map(move |(bound, count)| {
                below += count;
                (*bound, below)
            })
    }
}
