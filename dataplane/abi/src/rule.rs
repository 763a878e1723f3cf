//! What control says about one media port: where its packets go and who may send them.

use crate::{Endpoint, Packed, RowIndex};

/// What a media port carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Nothing: the row is not in use.
    #[default]
    Free = 0,
    /// RTP alone.
    Rtp = 1,
    /// RTP and RTCP on one port, RFC 5761.
    RtpMux = 2,
    /// RTCP alone.
    Rtcp = 3,
    /// RTP, RTCP, and whatever sets its keys up beside them: DTLS and STUN go from party to party as they came (RFC 5764).
    DtlsSrtp = 4,
    /// Anything, which is not looked at: T.38 fax over UDPTL, data.
    Datagrams = 5,
}

impl Kind {
    /// Every kind of media.
    pub const ALL: [Self; 5] = [Self::Rtp, Self::RtpMux, Self::Rtcp, Self::DtlsSrtp, Self::Datagrams];

    /// Whether there may be RTP in it, which is counted as such.
    pub const fn has_rtp(self) -> bool {
        matches!(self, Self::Rtp | Self::RtpMux | Self::DtlsSrtp)
    }
}

/// Who may teach a port its source, when it is not who the SDP named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Policy {
    /// Nobody: only the SDP's address and port may send.
    #[default]
    Strict = 0,
    /// Any port of the SDP's address.
    SameHost = 1,
    /// Whoever sends valid RTP first.
    Latch = 2,
}

/// How many policies there are.
const POLICIES: u32 = 3;

/// The RTP clock rate of a stream, for jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Clock {
    /// 8,000 Hz: G.711, G.729, and G.722 by RFC 3551, section 4.5.2.
    #[default]
    Hz8000 = 0,
    /// 16,000 Hz.
    Hz16000 = 1,
    /// 32,000 Hz.
    Hz32000 = 2,
    /// 44,100 Hz.
    Hz44100 = 3,
    /// 48,000 Hz: Opus, RFC 7587.
    Hz48000 = 4,
    /// 90,000 Hz: video.
    Hz90000 = 5,
    /// 11,025 Hz.
    Hz11025 = 6,
    /// 22,050 Hz.
    Hz22050 = 7,
}

impl Clock {
    /// Every rate.
    pub const ALL: [Self; 8] = [
        Self::Hz8000,
        Self::Hz16000,
        Self::Hz32000,
        Self::Hz44100,
        Self::Hz48000,
        Self::Hz90000,
        Self::Hz11025,
        Self::Hz22050,
    ];

    /// Ticks per second.
    #[inline(always)]
    pub const fn hz(self) -> u32 {
        match self {
            Self::Hz8000 => 8_000,
            Self::Hz16000 => 16_000,
            Self::Hz32000 => 32_000,
            Self::Hz44100 => 44_100,
            Self::Hz48000 => 48_000,
            Self::Hz90000 => 90_000,
            Self::Hz11025 => 11_025,
            Self::Hz22050 => 22_050,
        }
    }

    /// `now_ns` in ticks of this clock, modulo 2³².
    ///
    /// A fixed-point product, because the kernel has no fast division: the rate is off by less than 30 parts in a
    /// million, far below a tick between two packets.
    #[inline(always)]
    pub const fn ticks(self, now_ns: u64) -> u32 {
        let ticks_per_ns_q32 = ((self.hz() as u64) << 32) / 1_000_000_000;
        (now_ns.wrapping_mul(ticks_per_ns_q32) >> 32) as u32
    }

    /// The rate in hertz as one of these, if it is one.
    pub fn from_hz(hz: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|clock| clock.hz() == hz)
    }
}

/// A differentiated services code point, RFC 2474: 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dscp(u8);

impl Dscp {
    /// The code point `value`, if it is one.
    pub const fn new(value: u8) -> Option<Self> {
        if value < 64 { Some(Self(value)) } else { None }
    }

    /// Its six bits.
    #[inline(always)]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// The index of a local media address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Local(pub u8);

/// The local address a packet leaves from, and the next hop it leaves to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Via {
    /// Which of our addresses becomes the source.
    pub local: Local,
    /// The next hop, below [`HOPS_MAX`](crate::limits::HOPS_MAX).
    pub hop: u16,
}

impl Via {
    #[inline(always)]
    pub(crate) const fn pack(self) -> u32 {
        ((self.local.0 as u32) << 12) | self.hop as u32 & 0xfff
    }

    #[inline(always)]
    pub(crate) const fn unpack(word: u32) -> Self {
        Self { local: Local((word >> 12 & 0xf) as u8), hop: (word & 0xfff) as u16 }
    }
}

/// One media port's rule.
///
/// What arrives at the port leaves from `(via.local, from_port)` to `to`. Media is symmetric (RFC 4961): that port's
/// own row, the *partner*, receives from `to`, and its rule's `to` is where this port's packets are expected from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// What the port carries; [`Kind::Free`] when it is not in use.
    pub kind: Kind,
    /// Who may teach it a source; nothing for a row that is not in use.
    pub policy: Policy,
    /// The stream's clock.
    pub clock: Clock,
    /// Whether packets go on to `to`; false for a party on hold. Copies are made all the same.
    pub forward: bool,
    /// Whether packets go through the mixer, as long as it lives.
    pub divert: bool,
    /// The code point to send with; `None` keeps the packet's own.
    pub dscp: Option<Dscp>,
    /// Where packets go, by SDP. A source that the partner learned takes its place.
    pub to: Endpoint,
    /// The local port they leave from.
    pub from_port: u16,
    /// The local address they leave from, and the next hop.
    pub via: Via,
    /// The replication group; 0 for none.
    pub group: u16,
    /// Added to every RTP sequence number: packets the mixer once slipped in.
    pub sequence_offset: u16,
}

impl Rule {
    /// The row whose packets go the other way.
    #[inline(always)]
    pub const fn partner(&self) -> RowIndex {
        RowIndex::new(self.via.local, self.from_port)
    }

    #[inline(always)]
    fn flags(&self) -> u32 {
        let dscp = match self.dscp {
            Some(dscp) => 0x40 | dscp.bits() as u32,
            None => 0,
        };
        let carries = match self.kind {
            Kind::Free => 0,
            kind => 1 + (kind as u32 - 1) * POLICIES + self.policy as u32,
        };
        carries | (self.clock as u32) << 4 | (self.forward as u32) << 7 | (self.divert as u32) << 8 | dscp << 9
    }
}

/// What a rule says of the packets that come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the port carries.
    pub kind: Kind,
    /// Who may teach it a source.
    pub policy: Policy,
    /// The stream's clock.
    pub clock: Clock,
}

impl Head {
    /// The word of a packed rule that it stands in.
    pub(crate) const WORD: usize = 6;

    #[inline(always)]
    pub(crate) const fn unpack(flags: u32) -> Self {
        Self {
            // Five kinds of three policies, and the free row, are what four bits hold.
            kind: match flags >> 16 & 0xf {
                0 => Kind::Free,
                1..=3 => Kind::Rtp,
                4..=6 => Kind::RtpMux,
                7..=9 => Kind::Rtcp,
                10..=12 => Kind::DtlsSrtp,
                _ => Kind::Datagrams,
            },
            policy: match flags >> 16 & 0xf {
                0 | 1 | 4 | 7 | 10 | 13 => Policy::Strict,
                2 | 5 | 8 | 11 | 14 => Policy::SameHost,
                _ => Policy::Latch,
            },
            clock: match flags >> 20 & 7 {
                0 => Clock::Hz8000,
                1 => Clock::Hz16000,
                2 => Clock::Hz32000,
                3 => Clock::Hz44100,
                4 => Clock::Hz48000,
                5 => Clock::Hz90000,
                6 => Clock::Hz11025,
                _ => Clock::Hz22050,
            },
        }
    }
}

impl Packed for Rule {
    #[inline(always)]
    fn pack(&self) -> [u32; 7] {
        let [a, b, c, d] = self.to.address.0;
        [
            a,
            b,
            c,
            d,
            (self.to.port as u32) << 16 | self.from_port as u32,
            self.via.pack() << 16 | self.group as u32,
            self.flags() << 16 | self.sequence_offset as u32,
        ]
    }

    #[inline(always)]
    fn unpack(words: &[u32; 7]) -> Self {
        let [a, b, c, d, ports, via, flags] = *words;
        let head = Head::unpack(flags);
        Self {
            kind: head.kind,
            policy: head.policy,
            clock: head.clock,
            forward: flags >> 23 & 1 == 1,
            divert: flags >> 24 & 1 == 1,
            dscp: if flags >> 31 & 1 == 1 { Some(Dscp((flags >> 25 & 0x3f) as u8)) } else { None },
            to: Endpoint { address: crate::Address([a, b, c, d]), port: (ports >> 16) as u16 },
            from_port: ports as u16,
            via: Via::unpack(via >> 16),
            group: via as u16,
            sequence_offset: flags as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn a_rule_survives_packing() {
        let kinds = Kind::ALL.map(|kind| (kind, &[Policy::Strict, Policy::SameHost, Policy::Latch][..]));
        for (kind, policies) in kinds.into_iter().chain([(Kind::Free, &[Policy::Strict][..])]) {
            for policy in policies.iter().copied() {
                for clock in Clock::ALL {
                    for dscp in [None, Dscp::new(0), Dscp::new(46), Dscp::new(63)] {
                        for bits in 0..4 {
                            let rule = Rule {
                                kind,
                                policy,
                                clock,
                                forward: bits & 1 == 1,
                                divert: bits & 2 == 2,
                                dscp,
                                to: Endpoint { address: Address([1, 2, 3, 4]), port: 0xfedc },
                                from_port: 0x1234,
                                via: Via { local: Local(15), hop: 4095 },
                                group: 0xabcd,
                                sequence_offset: 0xffff,
                            };
                            assert_eq!(Rule::unpack(&rule.pack()), rule);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn ticks_advance_with_the_clock() {
        for clock in Clock::ALL {
            let start = 1_234_567_890_123_456_789;
            let ticks = clock.ticks(start + 1_000_000_000).wrapping_sub(clock.ticks(start));
            assert!(ticks.abs_diff(clock.hz()) <= 1 + clock.hz() / 30_000, "{clock:?}: {ticks}");
        }
    }
}
