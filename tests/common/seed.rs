//! A small seeded source of chance (splitmix64): the same seed, the same run.

pub struct Seed(pub u64);

impl Seed {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Cuts `bytes` into pieces of 0 to `longest` bytes, in order.
    pub fn pieces<'a>(&mut self, bytes: &'a [u8], longest: usize) -> Vec<&'a [u8]> {
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.between(0, longest).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces
    }
}

/// What faults hang on.
pub trait Chance {
    fn below(&mut self, limit: usize) -> usize;

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

impl Chance for Seed {
    fn below(&mut self, limit: usize) -> usize {
        Seed::below(self, limit)
    }
}

/// No fault happens: each choice is its last one.
pub struct Faultless;

impl Chance for Faultless {
    fn below(&mut self, limit: usize) -> usize {
        limit - 1
    }
}

/// The seed in `SEED`, or another one each time.
pub fn seed_of_run() -> u64 {
    let given = std::env::var("SEED").ok();
    let seed = given.map(|seed| seed.parse().expect("SEED is a number"));
    seed.unwrap_or_else(|| {
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
        now.as_nanos() as u64
    })
}
