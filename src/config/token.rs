//! The word that opens the admin calls: never shown, and compared without telling how much of it was right.

use std::hint::black_box;

use sha2::{Digest, Sha256};

/// No shorter one is taken: 16 random letters are out of reach of guessing over a network.
pub const TOKEN_LEAST_CHARS: usize = 16;
/// No longer one is read: it has to fit into the head of a request, beside other things.
pub const TOKEN_LIMIT_BYTES: u64 = 4 << 10;

/// Its hash is kept, not the word: a comparison then says nothing of how long it is, or where a guess went wrong.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that a file of that text holds, or what such a text must be.
    pub fn read(text: &str) -> Result<Token, String> {
        let word = text.trim();
        let visible = word.bytes().all(|b| b.is_ascii_graphic());
        match visible && word.len() >= TOKEN_LEAST_CHARS && text.len() as u64 <= TOKEN_LIMIT_BYTES {
            true => Ok(Token(hash(word))),
            false => Err(format!(
                "must be one line with one word of at least {TOKEN_LEAST_CHARS} visible ASCII characters"
            )),
        }
    }

    /// Whether a file of that mode may hold a token: nobody but its owner may write to it, and only its
    /// group may read it, too, as a service's user has to. Else what to do about it.
    pub fn check_mode(mode: u32) -> Result<(), String> {
        const OTHERS: u32 = 0o026;
        match mode & OTHERS {
            0 => Ok(()),
            _ => Err(format!(
                "must not be open to others, but its mode is {:03o}: chmod 600 it, or 640 for its group to read it",
                mode & 0o777
            )),
        }
    }

    pub fn is(&self, said: &str) -> bool {
        same(&self.0, &hash(said))
    }
}

fn hash(word: &str) -> [u8; 32] {
    Sha256::digest(word.as_bytes()).into()
}

/// Looks at all of both, whatever comes first.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let pairs = one.iter().zip(other);
    let differing = pairs.fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    differing == 0
}

impl PartialEq for Token {
    fn eq(&self, other: &Token) -> bool {
        same(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("Token")
    }
}
