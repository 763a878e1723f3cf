//! The supervisors' web page: who may try to sign in, who is signed in, and what they see.

mod attempts;
mod sight;
mod sign_ins;

use std::fmt;

use sha2::{Digest as _, Sha256};

pub use self::{
    attempts::{Attempts, Locked},
    sight::{Pages, Sight},
    sign_ins::{Begun, Over, SignIn, SignInId, SignIns, Terms},
};

/// A password as it is kept: a hash by argon2id in the form of the Password Hashing Competition, `$argon2id$v=19$…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Bytes of one at most.
    const BYTES_MAX: usize = 256;

    /// One in its form. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<_> = text.split('$').collect();
        let is_plain = text.len() <= Self::BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_one = matches!(*parts, ["", "argon2id", "v=19", cost, salt, hash]
            if cost.starts_with("m=") && !salt.is_empty() && !hash.is_empty());
        (is_plain && is_one).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What another password has another one of, and what nobody can make the hash of.
    pub fn stamp(&self) -> u64 {
        let digest = Sha256::digest(&self.0);
        digest.iter().take(8).fold(0, |stamp, byte| stamp << 8 | u64::from(*byte))
    }
}

/// It says nothing, wherever it is written.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_its_form_and_is_not_shown() {
        let text = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g";
        let hash = PasswordHash::parse(text).expect("one");
        assert_eq!((hash.as_str(), format!("{hash:?}").as_str()), (text, "PasswordHash"));
        let other = PasswordHash::parse("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2k").expect("one");
        assert_ne!(hash.stamp(), other.stamp());
        let wrong = [
            "",
            "secret",
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
            "$argon2id$v=19$t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
            "$argon2id$v=19$m=19456,t=2,p=1$$aGFzaGhhc2g",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFz$aGhhc2g",
            "$argon2id$v=19$m=19456,t=2,p=1$c2Fs dHNhbHQ$aGFzaGhhc2g",
        ];
        assert!(wrong.iter().all(|text| PasswordHash::parse(text).is_none()));
    }
}
