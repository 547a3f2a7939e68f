//! The secret of push hooks, by which forges prove that a hook is theirs: never shown, and compared in constant time.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::token::Token;

#[derive(Clone)]
pub struct HookSecret {
    token: Token,
    key: Hmac<Sha256>,
}

impl HookSecret {
    /// The secret in a file's text, which is like that of the admin token. An error says what the text must be.
    pub fn read(text: &str) -> Result<HookSecret, String> {
        let token = Token::read(text)?;
        let key = Hmac::new_from_slice(text.trim().as_bytes());
        let key = key.map_err(|error| error.to_string())?;
        Ok(HookSecret { token, key })
    }

    /// True where `given` is the secret.
    pub fn is(&self, given: &str) -> bool {
        self.token.is(given)
    }

    /// True where `signature` is the HMAC-SHA256 of the body under the secret, in hex.
    pub fn has_signed(&self, body: &[u8], signature: &str) -> bool {
        let Ok(signature) = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()) else {
            return false;
        };
        let mut mac = self.key.clone();
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

impl PartialEq for HookSecret {
    fn eq(&self, other: &HookSecret) -> bool {
        self.token == other.token
    }
}

impl std::fmt::Debug for HookSecret {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.write_str("HookSecret")
    }
}
