//! The words that configuration, requests, output and metrics have in common.

use undertone_core::{
    Dscp, Kind, Policy,
    mixer::{Mode, Person},
};

use crate::{
    directory::UserRole,
    monitor::{AuditFailure, RefusalSound, RefusedCall},
    permission::Weekday,
    sdp::MediaKind,
    sip::Transport,
    trunk::Side,
};

/// A value with a name.
pub trait Named: Copy + PartialEq + 'static {
    /// What it is, with its article.
    const WHAT: &'static str;
    /// Every value and its name.
    const NAMES: &'static [(&'static str, Self)];

    /// Its name; `-` for a value that nobody can ask for.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, value)| *value == self).map_or("-", |(name, _)| name)
    }

    /// The value with this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// All names, as a sentence lists them.
    fn all_names() -> String {
        let quoted: Vec<_> = Self::NAMES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        match quoted.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => quoted.concat(),
        }
    }
}

/// Which way packets may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathChoice {
    /// The fastest there is.
    #[default]
    Fastest,
    /// XDP in the driver, or an error.
    Native,
    /// XDP on socket buffers, or an error.
    Generic,
    /// Sockets and `io_uring`.
    IoUring,
}

impl Named for PathChoice {
    const WHAT: &'static str = "a path";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("fastest", Self::Fastest),
        ("native", Self::Native),
        ("generic", Self::Generic),
        ("io-uring", Self::IoUring),
    ];
}

impl Named for Policy {
    const WHAT: &'static str = "a learning policy";
    const NAMES: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("same-host", Self::SameHost), ("latch", Self::Latch)];
}

impl Named for Kind {
    const WHAT: &'static str = "a kind of media";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("rtp", Self::Rtp),
        ("rtp-mux", Self::RtpMux),
        ("rtcp", Self::Rtcp),
        ("dtls-srtp", Self::DtlsSrtp),
        ("datagrams", Self::Datagrams),
    ];
}

impl Named for MediaKind {
    const WHAT: &'static str = "a media type";
    const NAMES: &'static [(&'static str, Self)] = Self::NAMES;
}

impl Named for Transport {
    const WHAT: &'static str = "a transport";
    const NAMES: &'static [(&'static str, Self)] = &[("udp", Self::Udp), ("tcp", Self::Tcp), ("tls", Self::Tls)];
}

impl Named for Side {
    const WHAT: &'static str = "a side";
    const NAMES: &'static [(&'static str, Self)] = &[("on-net", Self::OnNet), ("off-net", Self::OffNet)];
}

impl Named for UserRole {
    const WHAT: &'static str = "a role";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("user", Self::User),
        ("call-center-supervisor", Self::CallCenterSupervisor),
        ("office-manager", Self::OfficeManager),
        ("site-manager", Self::SiteManager),
        ("administrator", Self::Administrator),
        ("auditor", Self::Auditor),
    ];
}

impl Named for Mode {
    const WHAT: &'static str = "a mode";
    const NAMES: &'static [(&'static str, Self)] = &[
        (Self::Listen.key(), Self::Listen),
        (Self::WhisperToAgent.key(), Self::WhisperToAgent),
        (Self::WhisperToCaller.key(), Self::WhisperToCaller),
        (Self::Barge.key(), Self::Barge),
    ];
}

/// Those who can be told that somebody listens; nobody needs to name the supervisor.
impl Named for Person {
    const WHAT: &'static str = "a party of the call";
    const NAMES: &'static [(&'static str, Self)] = &[("agent", Self::Agent), ("caller", Self::Caller)];
}

impl Named for RefusalSound {
    const WHAT: &'static str = "what is heard of a refusal";
    const NAMES: &'static [(&'static str, Self)] =
        &[("tone", Self::Tone), ("announcement", Self::Announcement), ("none", Self::None)];
}

impl Named for AuditFailure {
    const WHAT: &'static str = "what becomes of sessions when the audit fails";
    const NAMES: &'static [(&'static str, Self)] = &[("end", Self::End), ("continue", Self::Continue)];
}

impl Named for RefusedCall {
    const WHAT: &'static str = "what is heard of a call that is refused";
    const NAMES: &'static [(&'static str, Self)] =
        &[("code", Self::Code), ("tone", Self::Tone), ("announcement", Self::Announcement)];
}

impl Named for Weekday {
    const WHAT: &'static str = "a day of the week";
    const NAMES: &'static [(&'static str, Self)] = &[
        ("mon", Self::Monday),
        ("tue", Self::Tuesday),
        ("wed", Self::Wednesday),
        ("thu", Self::Thursday),
        ("fri", Self::Friday),
        ("sat", Self::Saturday),
        ("sun", Self::Sunday),
    ];
}

/// The code points that have a name: RFC 2474, 2597, 3246, 5865 and 8622.
const DSCP_NAMES: &[(&str, u8)] = &[
    ("cs0", 0),
    ("le", 1),
    ("cs1", 8),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("cs2", 16),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("cs3", 24),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("cs4", 32),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("cs5", 40),
    ("va", 44),
    ("ef", 46),
    ("cs6", 48),
    ("cs7", 56),
];

/// What to write for a code point.
pub const DSCP_FORM: &str = "a code point from 0 to 63, or a name such as \"ef\", \"af41\" or \"cs3\"";

/// The code point that `text` names, by name or by number.
pub fn dscp_from_text(text: &str) -> Option<Dscp> {
    let named = DSCP_NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
    named.or_else(|| text.parse().ok()).and_then(Dscp::new)
}

/// A code point's name; its number when it has none.
pub fn dscp_text(dscp: Dscp) -> String {
    let named = DSCP_NAMES.iter().find(|(_, value)| *value == dscp.bits());
    named.map_or_else(|| dscp.bits().to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trips<T: Named + std::fmt::Debug>() {
        for (name, value) in T::NAMES {
            assert_eq!(T::from_name(name), Some(*value));
            assert_eq!(value.name(), *name);
        }
        assert_eq!(T::from_name("nothing"), None);
    }

    #[test]
    fn names_and_values_are_one_to_one() {
        round_trips::<PathChoice>();
        round_trips::<Policy>();
        round_trips::<Kind>();
        round_trips::<Transport>();
        round_trips::<Side>();
        round_trips::<UserRole>();
        round_trips::<Mode>();
        round_trips::<Person>();
        round_trips::<RefusalSound>();
        round_trips::<AuditFailure>();
        round_trips::<RefusedCall>();
        round_trips::<Weekday>();
        assert!(Transport::ALL.into_iter().all(|transport| Named::name(transport) == transport.key()));
        assert_eq!(Policy::all_names(), r#""strict", "same-host" or "latch""#);
    }

    #[test]
    fn every_code_point_survives_its_text() {
        for value in 0..64 {
            let dscp = Dscp::new(value).expect("below 64");
            assert_eq!(dscp_from_text(&dscp_text(dscp)), Some(dscp));
        }
        assert_eq!(dscp_from_text("EF").map(Dscp::bits), Some(46));
        assert_eq!(dscp_from_text("64"), None);
        assert_eq!(dscp_from_text("-1"), None);
    }
}
