//! WebSockets fed with random frames, changed at random, and with random bytes: nothing panics,
//! no cap is passed, and it does not matter in how many pieces they come.

use crate::common::play::DATE;
use crate::common::seed::Seed;
use crate::common::talk::{CLOSE, Talk, close, frame, talked};
use zigcheck::http::conn::Waiting;
use zigcheck::http::limits::MESSAGE_LIMIT_BYTES;

/// A frame that a client might send, not always rightly.
fn any_frame(random: &mut Seed) -> Vec<u8> {
    let firsts = [
        0x81, 0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x89, 0x8a, 0x88, 0x09, 0x83, 0xc1,
    ];
    let first = *random.pick(&firsts);
    let sizes = [0, 1, 2, 3, 20, 124, 125, 126, 300, MESSAGE_LIMIT_BYTES];
    let size = *random.pick(&sizes) + usize::from(random.once_in(9));
    match random.below(8) {
        0 => close(random.next() as u16, b"why"),
        1 => close(1000, b""),
        2 => frame(first, "äöü".repeat(size / 6).as_bytes()),
        3 => frame(first, &random.bytes(size)),
        _ => frame(first, &vec![b'x'; size]),
    }
}

fn input(random: &mut Seed) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..random.below(8) {
        // Mostly what keeps the socket open.
        input.extend(match random.below(4) {
            0 => any_frame(random),
            1 => frame(0x89, b"ping"),
            2 => [frame(0x01, b"te"), frame(0x80, b"xt")].concat(),
            _ => frame(0x82, b"binary"),
        });
    }
    if random.once_in(4) {
        let count = random.below(40);
        input.extend(random.bytes(count));
    }
    for _ in 0..random.below(3) {
        if !input.is_empty() {
            let at = random.below(input.len());
            match random.below(3) {
                0 => input[at] = random.next() as u8,
                1 => {
                    input.remove(at);
                }
                _ => input.insert(at, random.next() as u8),
            }
        }
    }
    input
}

#[test]
fn the_pieces_do_not_matter() {
    let (mut open, mut complaints, mut pongs) = (0, 0, 0);
    for seed in 0..20_000 {
        let mut random = Seed(seed);
        let input = input(&mut random);
        let mut whole = talked(&input, || usize::MAX);
        let mut pieces = talked(&input, || 1 + random.below(200));
        assert_eq!(pieces.frames(), whole.frames(), "seed {seed}");
        assert_eq!(pieces.gone, whole.gone, "seed {seed}");
        let frames = whole.frames();
        let closes = frames.iter().filter(|(first, _)| *first == CLOSE).count();
        assert!(closes <= 1 && (closes == 0 || frames.last().unwrap().0 == CLOSE));
        assert_eq!(closes, whole.gone, "seed {seed}");
        open += usize::from(whole.conn.waiting_for() == Waiting::Keepalive);
        complaints += usize::from(whole.conn.waiting_for() == Waiting::Linger);
        pongs += frames.len() - closes;
        for talk in [&mut whole, &mut pieces] {
            talk.hang_up();
            assert!(talk.conn.is_done() && talk.gone == 1, "seed {seed}");
            assert_eq!(talk.frames(), frames, "seed {seed}");
        }
    }
    // The inputs reach what they are meant to reach.
    let reached = (open, complaints, pongs);
    assert!(
        open > 5_000 && complaints > 3_000 && pongs > 8_000,
        "{reached:?}"
    );
}

/// Everybody does as they like: closed stays closed, and the app hears of an end that is not its
/// own exactly once.
#[test]
fn nothing_breaks_in_any_order() {
    for seed in 0..20_000 {
        let mut random = Seed(seed);
        let bytes = [input(&mut random), input(&mut random)].concat();
        let mut rest = &bytes[..];
        let mut talk = Talk::new();
        talk.deaf = true;
        let (mut ended, mut over) = (false, false);
        for _ in 0..40 {
            let was_with_app = talk.conn.is_with_app();
            match random.below(14) {
                0..4 => {
                    let count = random.below(300).min(rest.len()).min(talk.conn.space());
                    talk.conn.receive(&rest[..count]);
                    rest = &rest[count..];
                }
                4..7 => talk.listen(),
                7..9 => {
                    let size = random.below(2_000).min(talk.conn.stream_space());
                    talk.conn.push_text(&vec![b't'; size]);
                }
                9..11 => {
                    let count = random.below(1 + talk.conn.output().len());
                    talk.conn.sent(count);
                }
                11 => talk.conn.keepalive(),
                _ if random.once_in(9) => {
                    talk.conn.end_stream();
                    ended |= was_with_app && !talk.conn.is_with_app();
                }
                _ if random.once_in(9) => talk.conn.drain_and_close(DATE),
                _ if random.once_in(9) => talk.conn.half_closed(),
                _ => {}
            }
            talk.check();
            assert!(!over || talk.conn.is_done(), "seed {seed}: done and undone");
            over = talk.conn.is_done();
        }
        talk.deaf = false;
        talk.settle();
        talk.hang_up();
        assert!(
            talk.conn.is_done() && !talk.conn.is_with_app(),
            "seed {seed}"
        );
        assert_eq!(talk.gone, usize::from(!ended), "seed {seed}");
    }
}
