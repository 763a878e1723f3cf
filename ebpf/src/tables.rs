//! The maps, behind typed getters. Their sizes are set by the loader where the configuration decides.

use aya_ebpf::{
    bindings::BPF_F_BROADCAST,
    btf_maps::{Array, ArrayOfMaps, DevMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use undertone_abi::{
    Config, Group, Hop, PollTime, Published, Reason, Row, RowIndex, Rule, Turn, Word32, Word64,
    limits::{DEVICES_MAX, GROUPS_DEFAULT, HEARTBEAT_STALE_MS, HOPS_MAX, PORTS, SHAPE_ENTRIES, SHAPES_MAX},
};

/// `BPF_F_MMAPABLE`: user space writes rules and reads counters without a system call.
const MMAPABLE: usize = 1 << 10;

#[btf_map]
static ROWS: Array<Row, { PORTS as usize }, MMAPABLE> = Array::new();
#[btf_map]
static HOPS: Array<Published, { HOPS_MAX as usize }, MMAPABLE> = Array::new();
#[btf_map]
static GROUPS: Array<Group, { GROUPS_DEFAULT as usize }, MMAPABLE> = Array::new();
#[btf_map]
static CONFIG: Array<Config, 1, MMAPABLE> = Array::new();
#[btf_map]
static HEARTBEAT: Array<Word64, 1, MMAPABLE> = Array::new();
#[btf_map]
static REASONS: PerCpuArray<Word64, { Reason::COUNT as usize }> = PerCpuArray::new();
#[btf_map]
static DEVICES: DevMap<{ DEVICES_MAX as usize }> = DevMap::new();
/// One more than there can be: user space waits for a grace period by changing the last.
#[btf_map]
static SHAPES: ArrayOfMaps<DevMap<{ SHAPE_ENTRIES as usize }>, { SHAPES_MAX as usize + 1 }> = ArrayOfMaps::new();
#[btf_map]
static SERIAL: PerCpuArray<Word32, 1> = PerCpuArray::new();
#[btf_map]
static TURNS: PerCpuArray<Turn, { DEVICES_MAX as usize }> = PerCpuArray::new();
#[btf_map]
static POLL_TIME: PerCpuArray<PollTime, 1> = PerCpuArray::new();
#[btf_map]
static MOVES: RingBuf<u32, 65_536> = RingBuf::new();

/// The node.
#[inline(always)]
pub(crate) fn config() -> Option<&'static Config> {
    CONFIG.get(0)
}

/// The row of a media port.
#[inline(always)]
pub(crate) fn row(index: RowIndex) -> Option<&'static Row> {
    ROWS.get(index.0)
}

/// The rule of a media port.
#[inline(always)]
pub(crate) fn rule(index: RowIndex) -> Option<Rule> {
    row(index)?.rule()
}

/// Next hop number `index`, when its neighbour is known.
#[inline(always)]
pub(crate) fn hop(index: u16) -> Option<Hop> {
    HOPS.get(index as u32)?.read::<Hop>().filter(|hop| hop.resolved)
}

/// Replication group number `index`.
#[inline(always)]
pub(crate) fn group(index: u32) -> Option<&'static Group> {
    GROUPS.get(index)
}

/// Whether the mixer's thread has beaten lately.
#[inline(always)]
pub(crate) fn mixer_is_alive(now_ns: u64) -> bool {
    match HEARTBEAT.get(0) {
        // A beat may be newer than `now_ns`, taken on another CPU.
        Some(beat) => (now_ns.wrapping_sub(beat.load()) as i64) < (HEARTBEAT_STALE_MS * 1_000_000) as i64,
        None => false,
    }
}

/// Counts a packet.
#[inline(always)]
pub(crate) fn count(reason: Reason) {
    if let Some(counter) = REASONS.get(reason as u32) {
        counter.store(counter.load() + 1);
    }
}

/// The number of the next packet of this CPU that is broadcast.
#[inline(always)]
pub(crate) fn next_serial() -> u32 {
    match SERIAL.get(0) {
        Some(serial) => {
            let next = serial.load().wrapping_add(1);
            serial.store(next);
            next
        }
        None => 0,
    }
}

/// Whose turn it is on the device in `slot`, on this CPU.
#[inline(always)]
pub(crate) fn turn(slot: u8) -> Option<&'static Turn> {
    TURNS.get(slot as u32)
}

/// When this CPU's poll began.
#[inline(always)]
pub(crate) fn poll_time() -> Option<&'static PollTime> {
    POLL_TIME.get(0)
}

/// Tells user space that `index` has learned where its party really is. Lost when nobody listens for long.
#[inline(always)]
pub(crate) fn announce_move(index: RowIndex) {
    let _ = MOVES.output(index.0, 0);
}

/// Sends the packet through the device in `slot`. `None` when there is none.
#[inline(always)]
pub(crate) fn send(slot: u8) -> Option<u32> {
    DEVICES.redirect(slot as u32, 0).ok()
}

/// Sends the packet through every device of `shape`. `None` when there is no such shape.
#[inline(always)]
pub(crate) fn broadcast(shape: u16) -> Option<u32> {
    SHAPES.get(shape as u32)?.redirect(0, BPF_F_BROADCAST as u64).ok()
}
