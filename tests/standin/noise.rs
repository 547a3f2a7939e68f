//! What packages named `noise-NUMBER` do: the same for the same number, so that a test knows it, too.
//! Text and bytes of all kinds in pieces of all lengths, with pauses between, and often without an
//! end of the last line.

#[allow(dead_code)]
pub enum Ending {
    Success,
    /// Does not compile.
    Failed,
    /// Ended by its memory limit.
    Starved,
}

#[allow(dead_code)]
pub struct Noise {
    /// Pieces of standard error, each with the milliseconds before it.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Before this piece it says that it tests.
    pub tests_before: usize,
    pub ending: Ending,
    /// What its source takes to be fetched, if that is asked for.
    pub fetch_ms: u64,
}

#[allow(dead_code)]
impl Noise {
    /// The noise of a package of that name; none if it is another package.
    pub fn of(package: &str) -> Option<Noise> {
        let number = package.strip_prefix("noise-")?.rsplit('-').next()?;
        Some(Noise::new(number.parse().ok()?))
    }

    fn new(number: u64) -> Noise {
        let mut chance = Chance(number);
        let count = 1 + chance.below(10);
        // One in six takes long enough to see several servers.
        let longest_ms = if chance.below(6) == 0 { 120 } else { 16 };
        let pieces = (0..count).map(|n| (chance.below(longest_ms), piece(n, &mut chance)));
        let pieces: Vec<_> = pieces.collect();
        Noise {
            tests_before: chance.below(count) as usize,
            ending: match chance.below(8) {
                0 => Ending::Failed,
                1 => Ending::Starved,
                _ => Ending::Success,
            },
            fetch_ms: chance.below(30),
            pieces,
        }
    }

    /// All it says on standard error, behind the line that every package begins with.
    pub fn said(&self) -> Vec<u8> {
        let pieces = self.pieces.iter().map(|(_, bytes)| bytes.as_slice());
        pieces.collect::<Vec<_>>().concat()
    }
}

fn piece(number: u64, chance: &mut Chance) -> Vec<u8> {
    match chance.below(4) {
        0 => format!("[{number}] a line of words\n").into_bytes(),
        1 => format!("[{number}] a part of a line, ").into_bytes(),
        2 => vec![b'\n'; chance.below(4) as usize],
        _ => (0..chance.below(3_000))
            .map(|_| chance.next() as u8)
            .collect(),
    }
}

/// splitmix64
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
