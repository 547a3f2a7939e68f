//! The byte queue against a `VecDeque`.

use std::collections::VecDeque;

use crate::common::seed::Seed;
use zigcheck::base::buffer::Buffer;

#[test]
fn agrees_with_a_deque() {
    for seed in 0..300 {
        let mut random = Seed(seed);
        let limit = random.below(200);
        let mut buffer = Buffer::new(limit);
        let mut model: VecDeque<u8> = VecDeque::new();
        for _ in 0..300 {
            let count = random.below(80);
            match random.below(20) {
                0 => {
                    buffer.clear();
                    model.clear();
                }
                1..11 => {
                    let bytes = random.bytes(count);
                    let taken = buffer.push(&bytes);
                    assert_eq!(taken, count.min(limit - model.len()), "seed {seed}");
                    model.extend(&bytes[..taken]);
                }
                _ => {
                    buffer.consume(count);
                    model.drain(..count.min(model.len()));
                }
            }
            assert!(buffer.as_slice().iter().eq(model.iter()), "seed {seed}");
            assert_eq!(buffer.len(), model.len());
            assert_eq!(buffer.is_empty(), model.is_empty());
            assert_eq!(buffer.space(), limit - model.len());
            // Eight bytes are the least a vector takes.
            assert!(buffer.memory() <= 4 * limit.max(2), "seed {seed}");
            assert!(!model.is_empty() || buffer.memory() == 0, "seed {seed}");
        }
    }
}

/// Moved at every push, this queue would move two terabytes.
#[test]
fn a_full_queue_is_not_moved_at_every_push() {
    let limit = 4 << 20;
    let mut buffer = Buffer::new(limit);
    assert_eq!(buffer.push(&vec![1; limit]), limit);
    let start = std::time::Instant::now();
    for _ in 0..500_000 {
        buffer.consume(1);
        assert_eq!(buffer.push(&[2]), 1);
    }
    assert!(start.elapsed().as_secs() < 10);
    assert!(buffer.memory() <= 4 * limit);
}
