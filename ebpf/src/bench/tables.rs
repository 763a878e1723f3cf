//! The maps, behind typed getters.

use aya_ebpf::{
    btf_maps::{Array, DevMap, PerCpuArray},
    macros::btf_map,
};
use undertone_abi::{Row, Word64};

const COLD_WORDS: usize = size_of::<Row>() / size_of::<Word64>();
const COLD_STREAMS: u32 = 1 << 18;

/// Entry 0: where generated frames go. Entry 1: where the bare redirect sends them.
#[btf_map]
static LINKS: DevMap<2> = DevMap::new();
/// How many packets were generated.
#[btf_map]
static GENERATED: PerCpuArray<Word64, 1> = PerCpuArray::new();
/// How many frames arrived: of streams, and of copies.
#[btf_map]
static ARRIVED: PerCpuArray<Word64, 2> = PerCpuArray::new();

/// As many and as large as the rows of the streams.
#[btf_map]
static COLD: Array<[Word64; COLD_WORDS], { COLD_STREAMS as usize }> = Array::new();

/// The first word of a stream's memory.
#[inline(always)]
pub(crate) fn read_cold(stream: u32) -> Option<u64> {
    COLD.get(stream).map(|words| words[0].load())
}

/// The number of the next packet that this CPU generates.
#[inline(always)]
pub(crate) fn next_packet() -> Option<u64> {
    let generated = GENERATED.get(0)?;
    let number = generated.load();
    generated.store(number + 1);
    Some(number)
}

/// Where a frame arrived.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Party = 0,
    Monitor = 1,
}

/// Counts a frame that arrived.
#[inline(always)]
pub(crate) fn count(end: End) {
    if let Some(arrived) = ARRIVED.get(end as u32) {
        arrived.store(arrived.load() + 1);
    }
}

/// A link that frames are sent over.
#[derive(Clone, Copy)]
pub(crate) enum Link {
    ToRelay = 0,
    ToParty = 1,
}

/// Sends the frame over `link`. `None` when there is none.
#[inline(always)]
pub(crate) fn send(link: Link) -> Option<u32> {
    LINKS.redirect(link as u32, 0).ok()
}
