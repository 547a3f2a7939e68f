//! Good inputs, changed: bits, bytes, pieces of others, cuts, repeats, numbers at their limits.

use crate::common::seed::Seed;

/// Numbers that are one too many somewhere.
const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "-1",
    "00",
    "7f",
    "80",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
];

/// Noise, or one of the good inputs as it is, or changed a few times; tokens are what the grammar at hand
/// is made of.
pub fn input(random: &mut Seed, good: &[Vec<u8>], tokens: &[&str]) -> Vec<u8> {
    let mut bytes = random.pick(good).clone();
    match random.below(12) {
        0 => {
            let count = random.below(200);
            return random.bytes(count);
        }
        1 => {
            let count = random.below(24);
            let words = (0..count).map(|_| *random.pick(tokens));
            return words.collect::<String>().into_bytes();
        }
        2 => return bytes,
        _ => {}
    }
    for _ in 0..random.between(1, 4) {
        change(random, &mut bytes, good, tokens);
    }
    bytes
}

pub fn change(random: &mut Seed, bytes: &mut Vec<u8>, good: &[Vec<u8>], tokens: &[&str]) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
    }
    let at = random.below(bytes.len());
    let end = at + random.below((bytes.len() - at).min(64) + 1);
    match random.below(10) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let times = *random.pick(&[1, 1, 2, 9, 40]);
            let piece = bytes[at..end].repeat(times);
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        5 => {
            let other = random.pick(good);
            let from = random.below(other.len().max(1)).min(other.len());
            let piece = other[from..].iter().take(200).copied();
            let piece: Vec<u8> = piece.collect();
            bytes.splice(at..end, piece);
        }
        6 => number(random, bytes, at),
        7 => {
            let byte = *random.pick(b"\0\t\n\r %&=/.:\"\\@{}\x7f\x80\xff");
            bytes.insert(at, byte);
        }
        _ if tokens.is_empty() => bytes.swap(at, 0),
        _ => {
            let token = random.pick(tokens).bytes();
            bytes.splice(at..end, token);
        }
    }
}

/// Puts another in the place of the first number from there on.
fn number(random: &mut Seed, bytes: &mut Vec<u8>, from: usize) {
    let digits = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = bytes[from..].iter().position(digits) else {
        return;
    };
    let start = from + start;
    let length = bytes[start..]
        .iter()
        .take_while(|byte| digits(byte))
        .count();
    let number = random.pick(&NUMBERS).bytes();
    bytes.splice(start..start + length, number);
}

pub fn text(random: &mut Seed, good: &[&str], tokens: &[&str]) -> String {
    let good: Vec<Vec<u8>> = good.iter().map(|text| text.as_bytes().to_vec()).collect();
    let bytes = input(random, &good, tokens);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A length of a piece, for feeding in pieces.
pub fn piece(random: &mut Seed) -> usize {
    match random.below(4) {
        0 => 1,
        1 => random.between(1, 8),
        _ => random.between(1, 300),
    }
}
