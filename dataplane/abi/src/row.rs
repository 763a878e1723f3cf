//! One media port in memory: its rule, what it learned and what it counted.

#[cfg(not(target_arch = "bpf"))]
use crate::{Clock, gap};
use crate::{
    Endpoint, Head, Local, Published, Rule,
    cell::{Word32, Word64},
    limits::{MEDIA_ADDRESSES_MAX, PORTS},
};

/// Where a row stands in the table: `address index * 65,536 + UDP port`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowIndex(pub u32);

impl RowIndex {
    /// The row of `port` on the address number `local`.
    #[inline(always)]
    pub const fn new(local: Local, port: u16) -> Self {
        Self((local.0 as u32) << 16 | port as u32)
    }

    /// The address number.
    #[inline(always)]
    pub const fn local(self) -> Local {
        Local((self.0 >> 16) as u8)
    }

    /// The UDP port.
    #[inline(always)]
    pub const fn port(self) -> u16 {
        self.0 as u16
    }
}

const _: () = assert!(PORTS == 1 << 16 && MEDIA_ADDRESSES_MAX <= 256);

/// Which stream a row belongs to, and which of its SDP answers.
///
/// User space counts it up; the kernel notices and forgets what belonged to an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Counts up for every new stream of the port: counters start again.
    #[inline(always)]
    pub const fn generation(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The epoch of a new stream.
    #[must_use]
    pub const fn next_stream(self) -> Self {
        Self((self.generation().wrapping_add(1) as u32) << 16)
    }

    /// The epoch of the same stream from a source that may be another.
    #[must_use]
    pub const fn next_source(self) -> Self {
        Self(self.0 & 0xffff_0000 | (self.0 as u16).wrapping_add(1) as u32)
    }
}

/// A media port's row: three cache lines, the first written by user space, the others by the kernel.
///
/// A packet of a healthy stream touches the first two.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Row {
    rule: Published,
    pub(crate) live: Live,
    pub(crate) account: Account,
}

/// What every packet reads and writes.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Live {
    /// The learned source's address.
    pub(crate) source: [Word32; 4],
    /// Epoch, the learned source's port, the state of learning and the last payload type. See `source.rs`.
    pub(crate) lock: Word64,
    /// `packets << 16 | longest gap`: the gap in the form that [`gap`] gives it.
    pub(crate) packets: Word64,
    pub(crate) bytes: Word64,
    pub(crate) ssrc: Word32,
    /// Highest sequence number, extended by the number of wraps (RFC 3550 A.1).
    pub(crate) highest: Word32,
    /// Arrival minus RTP timestamp of the last packet, in clock ticks.
    pub(crate) transit: Word32,
    /// RFC 3550 A.8 interarrival jitter in sixteenths of a clock tick.
    pub(crate) jitter: Word32,
    /// Bit n: the packet n before the highest was received.
    pub(crate) seen: Word32,
    /// When the last packet came, in [`coarse`] time.
    pub(crate) last_seen: Word32,
}

/// What only unusual packets touch.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub struct Account {
    /// Packets from somebody who is not the source.
    pub(crate) strangers: Word64,
    /// Lowest extended sequence number of this SSRC.
    pub(crate) base: Word32,
    /// Packets lost of earlier SSRCs.
    pub(crate) lost_before: Word32,
    /// Packets that are not part of this SSRC's sequence: of earlier SSRCs, or out of all order.
    pub(crate) outside: Word32,
    pub(crate) reordered: Word32,
    pub(crate) duplicates: Word32,
    pub(crate) ssrc_changes: Word32,
    /// The sequence number that would confirm a restart of the sender, plus 2¹⁶; 0 for none.
    pub(crate) restart: Word32,
    /// When the source began to be learned, in [`coarse`] time.
    pub(crate) window_start: Word32,
    /// Packets of the provisional source.
    pub(crate) window_packets: Word32,
    /// Packets that were neither valid RTP nor valid RTCP.
    pub(crate) invalid: Word32,
    unused: [Word32; 4],
}

const _: () = {
    assert!(size_of::<Row>() == 192 && align_of::<Row>() == 64);
    assert!(size_of::<Live>() == 64 && size_of::<Account>() == 64);
    assert!(core::mem::offset_of!(Row, live) == 64 && core::mem::offset_of!(Row, account) == 128);
    assert!(size_of::<Row>() * PORTS as usize <= 12 << 20, "memory of one media address");
};

/// Bits of [`Live::packets`] that the longest gap takes.
pub(crate) const GAP_BITS: u64 = u16::BITS as u64;

/// Nanoseconds in one unit of [`coarse`] time.
pub(crate) const COARSE_NS: u64 = 1 << 20;

/// A time in units of 2²⁰ ns, about a millisecond, modulo 2³² (52 days).
#[inline(always)]
pub(crate) const fn coarse(now_ns: u64) -> u32 {
    (now_ns >> 20) as u32
}

impl Row {
    /// Has both lines that a healthy stream's packet needs come from memory at once, while the packet is still looked at.
    #[inline(always)]
    pub fn touch(&self) {
        self.rule.aux();
        self.live.lock.load();
    }

    /// The rule as it is now; `None` when it cannot be read for its writer's speed.
    #[inline(always)]
    pub fn rule(&self) -> Option<Rule> {
        self.rule.read()
    }

    /// What the rule says of packets that come in.
    #[inline(always)]
    pub fn head(&self) -> Head {
        Head::unpack(self.rule.peek::<{ Head::WORD }>())
    }

    /// Which stream the row belongs to.
    #[inline(always)]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.rule.aux())
    }

    /// Makes `rule` the row's rule. Only user space may call this.
    pub fn write(&self, rule: &Rule) {
        self.rule.write(rule);
    }

    /// Starts another epoch. Comes after the rule it belongs to: a packet in between meets the new rule and the old
    /// lock, and is dropped rather than learned from.
    pub fn set_epoch(&self, epoch: Epoch) {
        self.rule.set_aux(epoch.0);
    }

    /// Where packets for this row's party go: the source it sends from, if that was learned, else `signalled`.
    #[inline(always)]
    pub fn answer_to(&self, signalled: Endpoint) -> Endpoint {
        self.learned().unwrap_or(signalled)
    }

    /// What was received, as of now. `clock` is the rule's.
    #[cfg(not(target_arch = "bpf"))]
    pub fn statistics(&self, clock: Clock) -> Statistics {
        let lock = self.live.lock.load();
        if (lock >> 48) as u16 != self.epoch().generation() {
            return Statistics::default();
        }
        let live = &self.live;
        let account = &self.account;
        let counted = live.packets.load();
        let packets = counted >> GAP_BITS;
        let payload_type = lock as u8;
        let source = self.learned();
        let jitter_ns = live.jitter.load() as u64 * 1_000_000_000 / 16 / clock.hz() as u64;
        Statistics {
            packets,
            bytes: live.bytes.load(),
            lost: self.lost(packets),
            reordered: account.reordered.load(),
            duplicates: account.duplicates.load(),
            jitter_ns: jitter_ns.min(u32::MAX as u64) as u32,
            longest_gap_ns: gap::unpack(counted as u16) as u64 * COARSE_NS,
            last_seen: live.last_seen.load(),
            ssrc: live.ssrc.load(),
            ssrc_changes: account.ssrc_changes.load(),
            payload_type: (payload_type & 0x80 != 0).then_some(payload_type & 0x7f),
            strangers: account.strangers.load(),
            invalid: account.invalid.load(),
            source,
            locked: source.is_some() && self.is_locked(),
        }
    }
}

/// What a stream has been through. All zero before its first packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets from the source, RTP and RTCP.
    pub packets: u64,
    /// Their UDP payload, in bytes.
    pub bytes: u64,
    /// RTP packets that never came, over all SSRCs.
    pub lost: u32,
    /// RTP packets that came after a later one.
    pub reordered: u32,
    /// RTP packets that came twice, within 32 packets.
    pub duplicates: u32,
    /// Interarrival jitter, RFC 3550 A.8; what is more than `u32::MAX` is told as that.
    pub jitter_ns: u32,
    /// The longest time without a packet between two packets; 0 when none reached
    /// [`GAP_MS_MIN`](crate::limits::GAP_MS_MIN).
    pub longest_gap_ns: u64,
    /// When the last packet came: `CLOCK_MONOTONIC` in units of 2²⁰ ns, modulo 2³².
    pub last_seen: u32,
    /// The last synchronisation source.
    pub ssrc: u32,
    /// How often it changed, or the sender started its numbers afresh.
    pub ssrc_changes: u32,
    /// The last payload type.
    pub payload_type: Option<u8>,
    /// Packets from others, all dropped.
    pub strangers: u64,
    /// Packets that were not RTP or RTCP as the rule wants it, dropped.
    pub invalid: u32,
    /// The source that was learned.
    pub source: Option<Endpoint>,
    /// Whether it is final.
    pub locked: bool,
}

impl Statistics {
    /// Time since the last packet, at `now_ns`. `None` when none ever came.
    pub fn idle_ns(&self, now_ns: u64) -> Option<u64> {
        (self.packets > 0).then(|| coarse(now_ns).wrapping_sub(self.last_seen) as u64 * COARSE_NS)
    }
}
