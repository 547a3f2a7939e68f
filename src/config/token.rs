//! The admin token: never shown, and compared in constant time.

use std::hint::black_box;

use sha2::{Digest, Sha256};

/// The name of the token in `--admin-token-file`.
pub const FILE_TOKEN: &str = "file";
/// The shortest token: 16 random letters cannot be guessed over a network.
pub const TOKEN_LEAST_CHARS: usize = 16;
/// The longest token file: the token has to fit into a request's head, beside other headers.
pub const TOKEN_LIMIT_BYTES: u64 = 4 << 10;

/// Holds the token's hash: a comparison reveals neither its length nor where a guess differs.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token in a file's text. An error says what the text must be.
    pub fn read(text: &str) -> Result<Token, String> {
        let token = text.trim();
        let visible = token.bytes().all(|b| b.is_ascii_graphic());
        match visible && token.len() >= TOKEN_LEAST_CHARS && text.len() as u64 <= TOKEN_LIMIT_BYTES
        {
            true => Ok(Token(hash(token))),
            false => Err(format!(
                "must be one line with one word of at least {TOKEN_LEAST_CHARS} visible ASCII characters"
            )),
        }
    }

    /// Checks the mode of a token file: only its owner may write it, only its owner and group (the service's user) may
    /// read it. An error says how to mend that.
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

    /// The token of that hash.
    pub fn of_hash(hash: [u8; 32]) -> Token {
        Token(hash)
    }

    /// What is kept of a token.
    pub fn hash_of(token: &str) -> [u8; 32] {
        hash(token)
    }

    /// True where `given` is the token.
    pub fn is(&self, given: &str) -> bool {
        same(&self.0, &hash(given))
    }
}

fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Compares all bytes, wherever the first difference is.
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
