//! What became of a packet, and why: one counter each.

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It goes on, rewritten.
    Sent,
    /// It goes to the kernel's own stack, unchanged.
    Passed,
    /// It ends here.
    Dropped,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $index:literal, $fate:ident, $key:literal;)+) => {
        /// Why a packet had its fate. Every packet counts for exactly one; so does every copy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name = $index,)+
        }

        impl Reason {
            /// Every reason, in order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// How many there are.
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// What happens to the packet.
            #[inline(always)]
            pub const fn fate(self) -> Fate {
                match self {
                    $(Self::$name => Fate::$fate,)+
                }
            }

            /// The name in metrics and output.
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$name => $key,)+
                }
            }

            /// What an operator should know of it.
            pub const fn help(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)+
                }
            }
        }
    };
}

reasons! {
    /// Forwarded to its party.
    Forwarded = 0, Sent, "forwarded";
    /// Forwarded to its party, with copies.
    Copied = 1, Sent, "copied";
    /// Handed to the mixer.
    Diverted = 2, Sent, "diverted";
    /// Diverted, but the mixer is not alive: forwarded to its party.
    FailedToWire = 3, Sent, "failed-to-wire";
    /// Came from the mixer and went on to its party.
    Mixed = 4, Sent, "mixed";
    /// The next hop's MAC address is not known: handed to user space, which lets the kernel resolve it.
    Unresolved = 5, Sent, "unresolved";
    /// The party is on hold: only copies left.
    CopiedOnly = 6, Sent, "copied-only";
    /// A copy that left.
    CopySent = 7, Sent, "copy-sent";

    /// Neither IPv4 nor IPv6.
    NotIp = 8, Passed, "not-ip";
    /// An IP fragment.
    Fragment = 9, Passed, "fragment";
    /// IPv4 options or IPv6 extension headers.
    Options = 10, Passed, "options";
    /// Not UDP.
    NotUdp = 11, Passed, "not-udp";
    /// Too short for its headers.
    Truncated = 12, Passed, "truncated";
    /// Not to one of the media addresses.
    NotMedia = 13, Passed, "not-media";
    /// To a media address, outside its port range.
    OutsideRange = 14, Passed, "outside-range";
    /// STUN, DTLS and other packets that RFC 7983 tells from RTP, on a port that does not relay them.
    NotRtp = 15, Passed, "not-rtp";

    /// To a media port that no stream uses.
    NoStream = 16, Dropped, "no-stream";
    /// From somebody who is not the stream's source: RTP injection.
    Stranger = 17, Dropped, "stranger";
    /// Lengths of frame, IP and UDP headers contradict each other.
    BadLength = 18, Dropped, "bad-length";
    /// Neither valid RTP nor valid RTCP.
    BadRtp = 19, Dropped, "bad-rtp";
    /// RTCP on a port for RTP, or the other way round.
    WrongKind = 20, Dropped, "wrong-kind";
    /// The stream's party is on hold.
    Held = 21, Dropped, "held";
    /// The time to live ran out: a routing loop.
    TtlExpired = 22, Dropped, "ttl-expired";
    /// Larger than the way out carries.
    TooBig = 23, Dropped, "too-big";
    /// The rule was rewritten faster than it could be read.
    RuleBusy = 24, Dropped, "rule-busy";
    /// A next hop that is not resolved, and no user space to help.
    NoHop = 25, Dropped, "no-hop";
    /// From the mixer, for a stream that is not there or on hold.
    MixerStray = 26, Dropped, "mixer-stray";
    /// IPv4 without a UDP checksum to an IPv6 party, where RFC 8200 wants one and the packet is too long to sum.
    NoChecksum = 27, Dropped, "no-checksum";
    /// A copy whose next hop is not resolved.
    CopyNoHop = 28, Dropped, "copy-no-hop";
    /// A frame to be copied whose group does not know it.
    CopyStray = 29, Dropped, "copy-stray";
    /// The kernel gave no room for longer headers, or no memory.
    NoRoom = 30, Dropped, "no-room";
    /// A copy larger than its way out carries, or with no time left to live.
    CopyTooBig = 31, Dropped, "copy-too-big";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_without_gaps() {
        for (index, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn keys_are_unique() {
        let mut keys: Vec<_> = Reason::ALL.iter().map(|reason| reason.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Reason::COUNT as usize);
    }
}
