//! Who is signed in, and until when.
//!
//! A browser has a token; what is kept of it is its hash, so that who reads the database cannot sign in with what it finds. Time is
//! that of the wall, in milliseconds since 1970, since sign-ins outlive the daemon.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::audit::Hash;

/// Sign-ins of a user. With one more the one that was used longest ago ends.
const OF_USER_MAX: usize = 16;
/// Sign-ins in all, likewise.
const ALL_MAX: usize = 10_000;
/// How much later than before something has to be for a sign-in to be written down again.
const WRITTEN_EVERY_MS: u64 = 60_000;

/// The hash of a token: 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignInId(String);

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The user, by name.
    pub user: String,
    /// The stamp of the password that was given.
    pub stamp: u64,
    /// Where the browser was.
    pub address: String,
    /// When it began.
    pub began_ms: u64,
    /// When something was asked for last.
    pub used_ms: u64,
}

/// How long sign-ins last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// While nothing is asked for.
    pub idle_ms: u64,
    /// In any case.
    pub lifetime_ms: u64,
}

/// Why one is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// The user has signed out.
    SignedOut,
    /// Nothing was asked for, or it has lasted as long as any may.
    Expired,
    /// The user is no more, or has another password.
    Withdrawn,
    /// There were too many.
    Displaced,
}

/// One has begun: its name, and those that it has displaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its name.
    pub id: SignInId,
    /// What is over for it.
    pub displaced: Vec<(SignInId, SignIn)>,
}

/// Everybody who is signed in.
#[derive(Clone, Debug)]
pub struct SignIns {
    terms: Terms,
    of: HashMap<SignInId, Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    sign_in: SignIn,
    written_ms: u64,
}

impl SignInId {
    /// That of a token.
    pub fn of(token: &str) -> Self {
        Self(Hash(Sha256::digest(token).into()).to_string())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SignIn {
    /// When it is over, unless something is asked for.
    pub const fn ends_ms(&self, terms: Terms) -> u64 {
        let [idle, lifetime] =
            [self.used_ms.saturating_add(terms.idle_ms), self.began_ms.saturating_add(terms.lifetime_ms)];
        if idle < lifetime { idle } else { lifetime }
    }
}

impl SignIns {
    /// Those that an earlier daemon has left, where they are not over.
    pub fn new(terms: Terms, kept: impl IntoIterator<Item = (SignInId, SignIn)>) -> Self {
        let kept = kept.into_iter().map(|(id, sign_in)| (id, Kept { written_ms: sign_in.used_ms, sign_in }));
        Self { terms, of: kept.collect() }
    }

    /// From now on they last so long.
    pub const fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// How long they last.
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// Somebody has signed in, and has this token from now on.
    pub fn begin(&mut self, token: &str, user: &str, stamp: u64, address: &str, now_ms: u64) -> Begun {
        let mut displaced = Vec::new();
        while self.of.values().filter(|kept| kept.sign_in.user == user).count() >= OF_USER_MAX {
            displaced.extend(self.displace(|sign_in| sign_in.user == user));
        }
        while self.of.len() >= ALL_MAX {
            displaced.extend(self.displace(|_| true));
        }
        let id = SignInId::of(token);
        let sign_in = SignIn { user: user.into(), stamp, address: address.into(), began_ms: now_ms, used_ms: now_ms };
        self.of.insert(id.clone(), Kept { sign_in, written_ms: now_ms });
        Begun { id, displaced }
    }

    /// The one that was used longest ago of those that are `one`.
    fn displace(&mut self, one: impl Fn(&SignIn) -> bool) -> Option<(SignInId, SignIn)> {
        let ones = self.of.iter().filter(|(_, kept)| one(&kept.sign_in));
        let id = ones.min_by_key(|(_, kept)| kept.sign_in.used_ms).map(|(id, _)| id.clone())?;
        self.end(&id).map(|sign_in| (id, sign_in))
    }

    /// Who has a token, and asks for something now. Whether that is to be written down.
    pub fn use_of(&mut self, token: &str, now_ms: u64) -> Option<(SignInId, &SignIn, bool)> {
        let (terms, id) = (self.terms, SignInId::of(token));
        let kept = self.of.get_mut(&id).filter(|kept| now_ms < kept.sign_in.ends_ms(terms))?;
        kept.sign_in.used_ms = kept.sign_in.used_ms.max(now_ms);
        let is_due = now_ms.saturating_sub(kept.written_ms) >= WRITTEN_EVERY_MS;
        if is_due {
            kept.written_ms = now_ms;
        }
        Some((id, &kept.sign_in, is_due))
    }

    /// One of them, which is not used by that.
    pub fn look(&self, id: &SignInId, now_ms: u64) -> Option<&SignIn> {
        let kept = self.of.get(id)?;
        (now_ms < kept.sign_in.ends_ms(self.terms)).then_some(&kept.sign_in)
    }

    /// Ends one.
    pub fn end(&mut self, id: &SignInId) -> Option<SignIn> {
        self.of.remove(id).map(|kept| kept.sign_in)
    }

    /// Ends those that are over by now, and those whose users have not this stamp any more.
    pub fn sweep(&mut self, now_ms: u64, stamp: impl Fn(&str) -> Option<u64>) -> Vec<(SignInId, SignIn, Over)> {
        let terms = self.terms;
        let why = |sign_in: &SignIn| {
            if stamp(&sign_in.user) != Some(sign_in.stamp) {
                Some(Over::Withdrawn)
            } else if now_ms >= sign_in.ends_ms(terms) {
                Some(Over::Expired)
            } else {
                None
            }
        };
        let over: Vec<_> = self.of.iter().filter_map(|(id, kept)| Some((id.clone(), why(&kept.sign_in)?))).collect();
        over.into_iter().filter_map(|(id, why)| self.end(&id).map(|sign_in| (id, sign_in, why))).collect()
    }
}

impl Over {
    /// Its name in the audit.
    pub const fn key(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Displaced => "displaced",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { idle_ms: 1_000, lifetime_ms: 5_000 };

    fn empty() -> SignIns {
        SignIns::new(TERMS, [])
    }

    fn is_in(sign_ins: &mut SignIns, token: &str, now_ms: u64) -> bool {
        sign_ins.use_of(token, now_ms).is_some()
    }

    #[test]
    fn a_sign_in_lasts_while_it_is_used_and_not_for_ever() {
        let mut sign_ins = empty();
        sign_ins.begin("token", "sue", 1, "192.0.2.1", 10_000);
        assert!(!is_in(&mut sign_ins, "tokem", 10_000));
        for now_ms in (10_500..15_000).step_by(900) {
            assert!(is_in(&mut sign_ins, "token", now_ms), "{now_ms}");
        }
        assert!(!is_in(&mut sign_ins, "token", 15_000), "its lifetime is over");
        sign_ins.begin("other", "sue", 1, "192.0.2.1", 20_000);
        assert!(!is_in(&mut sign_ins, "other", 21_000), "nothing was asked for");
    }

    #[test]
    fn what_is_looked_at_is_not_used() {
        let mut sign_ins = empty();
        let id = sign_ins.begin("token", "sue", 1, "192.0.2.1", 0).id;
        assert_eq!(sign_ins.look(&id, 999).map(|it| it.user.as_str()), Some("sue"));
        assert_eq!(sign_ins.look(&id, 1_000), None);
    }

    #[test]
    fn another_password_ends_it_and_so_does_time() {
        let mut sign_ins = empty();
        let over = |sign_ins: &mut SignIns, now_ms, stamp: fn(&str) -> Option<u64>| {
            let mut over: Vec<_> =
                sign_ins.sweep(now_ms, stamp).into_iter().map(|(_, it, why)| (it.user, why.key())).collect();
            over.sort();
            over
        };
        for (user, stamp) in [("ann", 1), ("bob", 2), ("sue", 3)] {
            sign_ins.begin(user, user, stamp, "192.0.2.1", 0);
        }
        // Bob is no more, and Sue has another password.
        let stamp = |user: &str| match user {
            "ann" => Some(1),
            "sue" => Some(4),
            _ => None,
        };
        assert_eq!(over(&mut sign_ins, 10, stamp), [("bob".into(), "withdrawn"), ("sue".into(), "withdrawn")]);
        assert_eq!(over(&mut sign_ins, 10, stamp), []);
        assert_eq!(over(&mut sign_ins, 1_000, stamp), [("ann".into(), "expired")]);
    }

    #[test]
    fn of_too_many_the_one_goes_that_was_used_longest_ago() {
        let mut sign_ins = empty();
        for time in 0..16 {
            assert_eq!(sign_ins.begin(&format!("token{time}"), "sue", 1, "192.0.2.1", time).displaced, []);
        }
        sign_ins.begin("ann's", "ann", 1, "192.0.2.1", 0);
        assert!(is_in(&mut sign_ins, "token0", 20));
        let displaced = sign_ins.begin("more", "sue", 1, "192.0.2.1", 21).displaced;
        assert_eq!(displaced.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [SignInId::of("token1")]);
        assert!(["more", "token0", "token2", "ann's"].iter().all(|token| is_in(&mut sign_ins, token, 22)));
    }

    #[test]
    fn they_outlive_the_daemon() {
        let mut before = empty();
        let id = before.begin("token", "sue", 7, "192.0.2.1", 0).id;
        let json = serde_json::to_string(before.look(&id, 0).expect("it is there")).expect("JSON");
        let kept = serde_json::from_str(&json).expect("what was written");
        let mut after = SignIns::new(TERMS, [(id.clone(), kept)]);
        let (found, sign_in, is_due) = after.use_of("token", 500).expect("it goes on");
        assert_eq!((found, sign_in.stamp, is_due), (id, 7, false));
    }

    #[test]
    fn a_use_is_written_down_once_a_minute() {
        let mut sign_ins = SignIns::new(Terms { idle_ms: 600_000, lifetime_ms: 6_000_000 }, []);
        sign_ins.begin("token", "sue", 1, "192.0.2.1", 0);
        let due: Vec<_> = [59_999, 60_000, 60_001, 119_999, 120_000]
            .into_iter()
            .map(|now_ms| sign_ins.use_of("token", now_ms).expect("it is there").2)
            .collect();
        assert_eq!(due, [false, true, false, false, true]);
    }

    #[test]
    fn a_token_is_not_what_is_kept() {
        let id = SignInId::of("token");
        assert_eq!(id.as_str(), "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0");
    }
}
