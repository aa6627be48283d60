//! Tokens: kept as hashes, compared in constant time, never shown.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret that a client must know.
#[derive(Clone)]
pub struct Token {
    hash: [u8; 32],
    cookie: String,
}

impl Token {
    /// From the secret itself.
    pub fn new(secret: &str) -> Token {
        let mut cookie = String::with_capacity(64);
        for byte in digest(&[b"wasm-tracer cookie ", secret.as_bytes()]) {
            cookie.push_str(&format!("{byte:02x}"));
        }
        Token { hash: digest(&[secret.as_bytes()]), cookie }
    }

    /// Is this the secret?
    pub fn admits(&self, offered: &str) -> bool {
        digest(&[offered.as_bytes()]).ct_eq(&self.hash).into()
    }

    /// What the page's cookie holds instead of the secret.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Is this the cookie's value?
    pub fn admits_cookie(&self, offered: &str) -> bool {
        offered.as_bytes().ct_eq(self.cookie.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn only_the_secret_is_admitted_and_its_cookie_is_not_the_secret() {
        let token = Token::new("open sesame");
        assert!(token.admits("open sesame") && !token.admits("open"));
        assert!(token.admits_cookie(token.cookie()) && !token.admits_cookie("open sesame"));
        assert!(!token.admits(token.cookie()));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
