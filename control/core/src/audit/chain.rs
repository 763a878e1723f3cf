//! Rows, and what ties each to the one before.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{Event, json, text};

/// What is hashed first, so that no other hash is mistaken for one of these.
const DOMAIN: &str = "undertone-audit-1";

/// The fields of a row that are hashed behind its number, in this order.
pub const FIELDS: [&str; 13] = [
    "at",
    "what",
    "user",
    "extension",
    "via",
    "address",
    "target_user",
    "target_extension",
    "call",
    "session",
    "mode",
    "reason",
    "details",
];

/// A row of the audit. A text is empty where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its place in the chain, from 1.
    pub number: u64,
    /// When it happened: RFC 3339, UTC, with nanoseconds.
    pub at: String,
    /// What happened: the key of a [`What`](super::What).
    pub what: String,
    /// The user who did it.
    pub user: String,
    /// Their extension.
    pub extension: String,
    /// How: the key of a [`Via`](crate::permission::Via).
    pub via: String,
    /// From where.
    pub address: String,
    /// The user who is concerned.
    pub target_user: String,
    /// Their extension.
    pub target_extension: String,
    /// The call, in hexadecimal digits.
    pub call: String,
    /// The monitor session, likewise.
    pub session: String,
    /// The mode: the key of a [`Mode`](undertone_core::mixer::Mode).
    pub mode: String,
    /// Why.
    pub reason: String,
    /// A JSON object with what else there is to say, as it was hashed.
    pub details: String,
    /// The hash of all this and of the row before.
    pub hash: Hash,
}

/// A SHA-256. Shown in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// The last row of a chain, or the last that was removed from its front. Shown as number, colon and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the row; 0 where there was none yet.
    pub number: u64,
    /// Its hash; of no row, anything that no other chain begins with.
    pub hash: Hash,
}

/// What is no [`Head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is like 42:0f1e…, a number, a colon and 64 hexadecimal digits")]
pub struct NoHead;

impl Row {
    /// The row of an event that happened at a time, behind `head`.
    pub fn seal(event: &Event, at: String, head: &Head) -> Self {
        let mut row = Self {
            number: head.number.saturating_add(1),
            at,
            what: event.what.key().into(),
            user: text(&event.by.user),
            extension: text(&event.by.extension),
            via: event.by.via.key().into(),
            address: text(&event.by.address),
            target_user: text(&event.on.user),
            target_extension: text(&event.on.extension),
            call: event.call.map(|call| call.to_string()).unwrap_or_default(),
            session: event.session.map(|session| session.to_string()).unwrap_or_default(),
            mode: event.mode.map(|mode| mode.key().to_owned()).unwrap_or_default(),
            reason: text(&event.reason),
            details: json(&event.details),
            hash: head.hash,
        };
        row.hash = row.hash_after(&head.hash);
        row
    }

    /// Its fields, as [`FIELDS`] names them.
    pub fn fields(&self) -> [&str; FIELDS.len()] {
        [
            &self.at,
            &self.what,
            &self.user,
            &self.extension,
            &self.via,
            &self.address,
            &self.target_user,
            &self.target_extension,
            &self.call,
            &self.session,
            &self.mode,
            &self.reason,
            &self.details,
        ]
    }

    /// What a chain has for its end where this is the last row.
    pub const fn head(&self) -> Head {
        Head { number: self.number, hash: self.hash }
    }

    /// The hash that it has to have behind a row of the hash `previous`.
    ///
    /// SHA-256 over texts one behind the other, each as its length in bytes, a colon, itself and a comma: the domain
    /// `undertone-audit-1`, the hash before in hexadecimal digits, the number, and the [`FIELDS`].
    pub fn hash_after(&self, previous: &Hash) -> Hash {
        let mut sha = Sha256::new();
        let mut put = |text: &str| {
            sha.update(text.len().to_string());
            sha.update(":");
            sha.update(text);
            sha.update(",");
        };
        put(DOMAIN);
        put(&previous.to_string());
        put(&self.number.to_string());
        self.fields().into_iter().for_each(put);
        Hash(sha.finalize().into())
    }
}

impl Hash {
    /// That of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Hash {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return Err(NoHead);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(NoHead) };
            *byte = digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low).ok_or(NoHead)?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.number, self.hash)
    }
}

impl FromStr for Head {
    type Err = NoHead;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, hash) = text.split_once(':').ok_or(NoHead)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|_| is_number).ok_or(NoHead)?;
        Ok(Self { number, hash: hash.parse()? })
    }
}

impl Serialize for Head {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use undertone_core::mixer::Mode;

    use super::*;
    use crate::{
        audit::{By, On, What},
        call::CallId,
        monitor::SessionId,
        permission::Via,
    };

    const START: Head = Head { number: 0, hash: Hash([0xab; 32]) };

    fn event() -> Event {
        let by = By { user: "ann".into(), extension: "200".into(), via: Via::Phone, address: "192.0.2.7:5060".into() };
        let on = On { user: "bob".into(), extension: "100".into() };
        Event {
            on,
            call: Some(CallId(0xabc)),
            session: Some(SessionId(7)),
            mode: Some(Mode::WhisperToAgent),
            ..Event::new(What::ModeChanged, by).with("from", "listen")
        }
    }

    #[test]
    fn a_row_says_what_happened_and_its_hash_can_be_found_by_anybody() {
        let row = Row::seal(&event(), "2026-11-26T08:00:00.000000001Z".into(), &START);
        let json = serde_json::to_value(&row).expect("JSON");
        let expected = serde_json::json!({
            "number": 1,
            "at": "2026-11-26T08:00:00.000000001Z",
            "what": "mode-changed",
            "user": "ann",
            "extension": "200",
            "via": "phone",
            "address": "192.0.2.7:5060",
            "target_user": "bob",
            "target_extension": "100",
            "call": "0000000000000abc",
            "session": "0000000000000007",
            "mode": "whisper",
            "reason": "",
            "details": "{\"from\":\"listen\"}",
            // By `hashlib.sha256` of Python over the same texts.
            "hash": "6164bb1feb48629bc7746b382da6732f7180335320e25efcccc9a6b4b3adfa21",
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_hash_and_a_head_are_read_as_they_are_written() {
        let head = Head { number: 42, hash: Hash(std::array::from_fn(|at| at as u8 * 7)) };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!(head.hash.to_string().to_uppercase().parse(), Ok(head.hash));
        let hash = head.hash;
        for wrong in [
            "",
            ":",
            "42",
            &format!("+42:{hash}"),
            &format!(":{hash}"),
            &format!("42:{hash}0"),
            &format!("42:{}é", &hash.to_string()[2..]),
        ] {
            assert_eq!(wrong.parse::<Head>(), Err(NoHead), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_any_length_or_kind_gets_into_a_row_unseen() {
        let mut long = event();
        long.by.user = format!("a\u{1b}[2J\n{}", "x".repeat(300));
        long = long.with("text", "y".repeat(DETAILS_BYTES));
        let row = Row::seal(&long, String::new(), &START);
        assert_eq!((row.user.len(), row.user.starts_with("a[2Jx")), (256, true));
        assert!(row.details.starts_with("{\"left_out_bytes\":") && row.details.len() < 40, "{}", row.details);
    }

    const DETAILS_BYTES: usize = 20_000;

    proptest! {
        #[test]
        fn every_change_of_a_row_changes_its_hash(
            texts in proptest::array::uniform13("[a-c:,0-9]{0,4}"),
            others in proptest::array::uniform13("[a-c:,0-9]{0,4}"),
            numbers in (0_u64..20, 0_u64..20),
        ) {
            let row = |texts: &[String; 13], number| {
                let mut row = Row { number, ..Row::seal(&event(), String::new(), &START) };
                let fields = [
                    &mut row.at, &mut row.what, &mut row.user, &mut row.extension, &mut row.via, &mut row.address,
                    &mut row.target_user, &mut row.target_extension, &mut row.call, &mut row.session, &mut row.mode,
                    &mut row.reason, &mut row.details,
                ];
                for (field, text) in fields.into_iter().zip(texts) {
                    field.clone_from(text);
                }
                row.hash_after(&START.hash)
            };
            let is_same = texts == others && numbers.0 == numbers.1;
            prop_assert_eq!(row(&texts, numbers.0) == row(&others, numbers.1), is_same);
        }
    }
}
