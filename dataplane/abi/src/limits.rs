//! Every capacity of the data plane, with the relations between them.
//!
//! Each limit has a behaviour when it is reached; it stands beside the constant.

/// Ports of one media address: the whole UDP port space, so that a port is an index.
pub const PORTS: u32 = 65_536;

/// Media addresses of one node. More are refused when the configuration is read.
pub const MEDIA_ADDRESSES_MAX: u32 = 16;

/// Slots of the media address lookup table: enough that a seed without collisions is found at once.
pub const MEDIA_ADDRESS_SLOTS: u32 = 64;

/// Next hops. A stream towards one more is refused.
pub const HOPS_MAX: u32 = 4096;

/// Copies of one stream. One more is refused.
pub const COPIES_MAX: u32 = 8;

/// Replication groups a daemon makes room for unless its configuration says otherwise.
pub const GROUPS_DEFAULT: u32 = 8192;

/// Replication groups at most: a rule has sixteen bits for one, and 0 means none.
pub const GROUPS_MAX: u32 = 65_535;

/// Devices that packets can leave through. An interface beyond them is refused.
pub const DEVICES_MAX: u32 = 32;

/// Distinct lists of output devices. A copy that needs one more is refused.
pub const SHAPES_MAX: u32 = 1024;

/// Entries of one shape: the stream itself and its copies.
pub const SHAPE_ENTRIES: u32 = COPIES_MAX + 1;

/// How often a reader looks again at a rule that changes under its eyes before the packet is dropped as
/// [`Reason::RuleBusy`](crate::Reason::RuleBusy). One look takes nanoseconds, one write a hundred times that.
pub const PUBLISHED_READS_MAX: u32 = 8;

/// Packets from a provisional source after which it is locked.
pub const LEARN_PACKETS_MAX: u32 = 25;

/// How long after the first packet a better source may still replace a provisional one.
pub const LEARN_WINDOW_MS: u64 = 500;

/// Lanes of the mixer: threads, each with ports of its own. More are refused when the configuration is read.
pub const LANES_MAX: u32 = 16;

/// Age of the mixer's heartbeat beyond which a divert is a plain forward.
pub const HEARTBEAT_STALE_MS: u64 = 100;

/// A jump of the sequence number beyond this is a restart of the sender, RFC 3550 A.1 `MAX_DROPOUT`.
pub const SEQUENCE_DROPOUT_MAX: u16 = 3000;

/// A step back of the sequence number beyond this is a restart of the sender, RFC 3550 A.1 `MAX_MISORDER`.
pub const SEQUENCE_MISORDER_MAX: u16 = 100;

/// Packets before the highest one in which a duplicate is told from a late packet.
pub const SEEN_WINDOW: u32 = 32;

/// Gaps below this are no gaps in a stream of packets of up to 20 ms, and not looked at for
/// [`Statistics::longest_gap_ns`](crate::Statistics::longest_gap_ns).
pub const GAP_MS_MIN: u64 = 30;

const _: () = {
    assert!(MEDIA_ADDRESSES_MAX * 2 <= MEDIA_ADDRESS_SLOTS, "each address has a public and a mixer entry");
    assert!(MEDIA_ADDRESS_SLOTS.is_power_of_two());
    assert!(LANES_MAX.is_multiple_of(2), "a word holds the ports of two");
    // `Via` packs the local address beside the next hop.
    assert!(MEDIA_ADDRESSES_MAX * HOPS_MAX <= 65_536);
    assert!(GROUPS_DEFAULT <= GROUPS_MAX && GROUPS_MAX < 65_536);
    assert!(HEARTBEAT_STALE_MS < 250, "the audible gap of a dead mixer is bounded by this");
    assert!(SEEN_WINDOW == 32, "one bit each in a 32-bit word");
};
