//! Why somebody may not monitor, and how that is said.

use crate::sip::message::phrase;

/// Why a session does not begin, change or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The codes are switched off.
    Disabled,
    /// It is not known who asks.
    UnknownSupervisor,
    /// They call from outside, where anybody can pretend to be somebody.
    FromOutside,
    /// The codes are for others.
    NotListed,
    /// The supervisor is a party of the call.
    OwnCall,
    /// Nobody may monitor the extension.
    Protected,
    /// Nobody has the extension.
    UnknownExtension,
    /// No rule permits the supervisor to monitor the extension.
    NoRule,
    /// A rule does, at other hours.
    OutsideHours,
    /// Rules do, in other modes.
    ModeNotPermitted,
    /// It is an emergency call.
    Emergency,
    /// Nobody may monitor the other party.
    ProtectedParty,
    /// The call has no sound.
    NoSound,
    /// The parties have encrypted what they say.
    Encrypted,
    /// The mixer cannot decode what they say.
    UnknownCodec,
    /// The parties are both ours, or neither is.
    WhisperOnOneSide,
    /// The mixer can decode what they say, and add nothing to it.
    HearOnly,
    /// The extension has no call. Not of [`decide`](super::decide): a session may wait for one.
    NoCall,
    /// As many sessions as there can be. Of whoever counts them.
    NoRoom,
    /// The audit cannot be written. Of whoever writes it.
    Unaudited,
    /// Too many of the source's attempts were refused of late. Of whoever counts them.
    TooMany,
}

/// How a denial is said.
struct Words {
    sip: u16,
    http: u16,
    key: &'static str,
    /// In Reason (RFC 3326): no quotes, no line ends, ASCII.
    reason: &'static str,
    complaint: &'static str,
    way_out: &'static str,
}

impl Denial {
    /// Every denial.
    pub const ALL: [Self; 21] = [
        Self::Disabled,
        Self::UnknownSupervisor,
        Self::FromOutside,
        Self::NotListed,
        Self::OwnCall,
        Self::Protected,
        Self::UnknownExtension,
        Self::NoRule,
        Self::OutsideHours,
        Self::ModeNotPermitted,
        Self::Emergency,
        Self::ProtectedParty,
        Self::NoSound,
        Self::Encrypted,
        Self::UnknownCodec,
        Self::WhisperOnOneSide,
        Self::HearOnly,
        Self::NoCall,
        Self::NoRoom,
        Self::Unaudited,
        Self::TooMany,
    ];

    /// The status of the SIP response.
    pub const fn sip_status(self) -> u16 {
        self.words().sip
    }

    /// The reason phrase of the SIP response, as RFC 3261 has it.
    pub const fn sip_phrase(self) -> &'static str {
        phrase(self.sip_status())
    }

    /// The value of the response's Reason header (RFC 3326).
    pub fn reason_header(self) -> String {
        let Words { sip, reason, .. } = self.words();
        format!("SIP;cause={sip};text=\"{reason}\"")
    }

    /// The status of the HTTP response.
    pub const fn http_status(self) -> u16 {
        self.words().http
    }

    /// Its name in the audit, in metrics and in the API.
    pub const fn key(self) -> &'static str {
        self.words().key
    }

    /// The denial of that name.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|denial| denial.key() == key)
    }

    /// What is the matter, for people: a clause.
    pub const fn complaint(self) -> &'static str {
        self.words().complaint
    }

    /// What to do about it.
    pub const fn way_out(self) -> &'static str {
        self.words().way_out
    }

    #[expect(clippy::too_many_lines, reason = "a table: what is said of one denial stands together")]
    const fn words(self) -> Words {
        match self {
            Self::Disabled => Words {
                sip: 404,
                http: 404,
                key: "disabled",
                reason: "Monitoring by telephone is switched off",
                complaint: "monitoring by telephone is switched off",
                way_out: "set `monitoring.enabled` to true and reload, or use the portal",
            },
            Self::UnknownSupervisor => Words {
                sip: 403,
                http: 403,
                key: "unknown-supervisor",
                reason: "Unknown supervisor",
                complaint: "it is not known who asks: the extension is no user's",
                way_out: "call from a user's own extension; `undertone users` lists them",
            },
            Self::FromOutside => Words {
                sip: 403,
                http: 403,
                key: "from-outside",
                reason: "Monitoring takes a call from inside",
                complaint: "the supervisor calls from an off-net peer, where anybody can pretend to be somebody",
                way_out: "call from an extension of an on-net peer, or use the portal",
            },
            Self::NotListed => Words {
                sip: 403,
                http: 403,
                key: "not-listed",
                reason: "Monitoring by telephone is for other users",
                complaint: "monitoring by telephone is for the users and groups of `monitoring.users` and `monitoring.user-groups`",
                way_out: "have the user put there, or use the portal",
            },
            Self::OwnCall => Words {
                sip: 403,
                http: 403,
                key: "own-call",
                reason: "Nobody can monitor a call of their own",
                complaint: "it is the supervisor's own extension, or a call that the supervisor is in",
                way_out: "name the extension of somebody else, or hang up first",
            },
            Self::Protected => Words {
                sip: 403,
                http: 403,
                key: "protected",
                reason: "Nobody may monitor this extension",
                complaint: "nobody may monitor this extension: it is among `monitoring.never`",
                way_out: "choose another extension",
            },
            Self::UnknownExtension => Words {
                sip: 404,
                http: 404,
                key: "unknown-extension",
                reason: "No such extension",
                complaint: "nobody has this extension, and it is in no call",
                way_out: "look at the digits; `undertone users` lists the extensions",
            },
            Self::NoRule => Words {
                sip: 403,
                http: 403,
                key: "no-rule",
                reason: "Monitoring not permitted",
                complaint: "no [[monitoring.rule]] permits this supervisor to monitor this extension",
                way_out: "have a rule written, or choose another extension",
            },
            Self::OutsideHours => Words {
                sip: 403,
                http: 403,
                key: "outside-hours",
                reason: "Monitoring not permitted at this hour",
                complaint: "the rules that permit it are for other hours",
                way_out: "try again within them, or have the rule's `days`, `from` and `to` changed",
            },
            Self::ModeNotPermitted => Words {
                sip: 403,
                http: 403,
                key: "mode-not-permitted",
                reason: "Mode not permitted",
                complaint: "the rules that permit it are for other modes",
                way_out: "take another mode, or have the rule's `modes` changed",
            },
            Self::Emergency => Words {
                sip: 403,
                http: 403,
                key: "emergency-call",
                reason: "Emergency calls are not monitored",
                complaint: "it is an emergency call, and those are never monitored",
                way_out: "wait for the next call; `monitoring.emergency-numbers` says which numbers these are",
            },
            Self::ProtectedParty => Words {
                sip: 403,
                http: 403,
                key: "protected-party",
                reason: "Nobody may monitor the other party",
                complaint: "nobody may monitor the other party of the call: it is among `monitoring.never`",
                way_out: "wait for the next call",
            },
            Self::NoSound => Words {
                sip: 488,
                http: 409,
                key: "no-sound",
                reason: "The call has no audio",
                complaint: "the call has no sound, or none any more, like a fax",
                way_out: "wait for the next call",
            },
            Self::Encrypted => Words {
                sip: 488,
                http: 409,
                key: "encrypted",
                reason: "The call is encrypted end to end",
                complaint: "the parties have encrypted what they say, and this node has not the keys",
                way_out: "have one of the peers offer plain RTP",
            },
            Self::UnknownCodec => Words {
                sip: 488,
                http: 409,
                key: "unknown-codec",
                reason: "The codec of the call cannot be decoded",
                complaint: "the call has a codec that the mixer does not know",
                way_out: "set `codecs` of one of the peers to those that it does: PCMA, PCMU, G722, opus, L16",
            },
            Self::WhisperOnOneSide => Words {
                sip: 403,
                http: 409,
                key: "whisper-on-one-side",
                reason: "Whisper needs an internal and an external party",
                complaint: "only on a call between one on-net and one off-net party can one be spoken to alone",
                way_out: "listen, or barge",
            },
            Self::HearOnly => Words {
                sip: 488,
                http: 409,
                key: "hear-only",
                reason: "The call can only be listened to",
                complaint: "the call has a codec that the mixer can decode and not encode",
                way_out: "listen, or set `codecs` of one of the peers to others",
            },
            Self::NoCall => Words {
                sip: 480,
                http: 409,
                key: "no-call",
                reason: "The extension is not in a call",
                complaint: "the extension is in no call",
                way_out: "try again when it is, or set `monitoring.follow` to true to wait for one",
            },
            Self::NoRoom => Words {
                sip: 503,
                http: 503,
                key: "no-room",
                reason: "Too many monitor sessions",
                complaint: "there are as many monitor sessions as there can be",
                way_out: "end one, or wait until one has ended",
            },
            Self::Unaudited => Words {
                sip: 503,
                http: 503,
                key: "unaudited",
                reason: "The audit cannot be written",
                complaint: "the audit cannot be written, and nobody monitors without it",
                way_out: "look at the daemon's log and the disk of `storage.path`",
            },
            // 503 would have a PBX take its trunk for broken.
            Self::TooMany => Words {
                sip: 480,
                http: 429,
                key: "too-many-refusals",
                reason: "Too many refused attempts",
                complaint: "too many attempts from there were refused within a minute",
                way_out: "wait a minute; what is permitted is done meanwhile, too. `monitoring.refusals-per-minute` is how many are answered one by one",
            },
        }
    }
}
