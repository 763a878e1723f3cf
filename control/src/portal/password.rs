//! Passwords, by argon2id.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc},
};
use undertone_control_core::portal::PasswordHash;

/// Characters of a password: fewer are guessed, and more are no password.
pub(crate) const LENGTH_MIN: usize = 10;
pub(crate) const LENGTH_MAX: usize = 256;

/// The hash of a password, with salt of its own. It takes some ten milliseconds and 19 MiB.
pub(crate) fn hash(password: &str) -> Option<PasswordHash> {
    let hash = Argon2::default().hash_password(password.as_bytes()).ok()?;
    PasswordHash::parse(&hash.to_string())
}

/// Whether a password is the one. Without a hash it is not, and takes as long.
pub(super) fn is_right(password: &str, hash: Option<&PasswordHash>) -> bool {
    let Some(hash) = hash else {
        let _ = self::hash(password);
        return false;
    };
    let Ok(hash) = phc::PasswordHash::new(hash.as_str()) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_password_is_right_and_no_other() {
        let kept = hash("correct horse battery").expect("a hash");
        assert!(is_right("correct horse battery", Some(&kept)));
        assert!(!is_right("correct horse batterz", Some(&kept)) && !is_right("", Some(&kept)));
        assert!(!is_right("correct horse battery", None));
        assert_ne!(hash("correct horse battery"), Some(kept), "each has salt of its own");
    }
}
