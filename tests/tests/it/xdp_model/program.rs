//! The XDP program in the kernel, fed one packet at a time.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aya::maps::{MapData, RingBuf};
use aya::programs::xdp::XdpMode;
use aya::programs::{TestRun as _, TestRunOptions};
use undertone_abi::limits::HEARTBEAT_STALE_MS;
use undertone_abi::{CopyMark, Epoch, Reason, RowIndex, Rule};
use undertone_core::Memory as _;
use undertone_dataplane::kernel::{Kernel, KernelError, Sizes};
use undertone_dataplane::monotonic_ns;

use super::frame::FRAME_BYTES_MIN;
use super::model::Counted;
use super::node::{ADDRESSES, GROUPS, Node};

/// Room for a frame that grows, and for its metadata.
const OUTPUT_BYTES: usize = 4096;

/// The loaded programs and their tables.
pub(super) struct Program {
    pub(super) kernel: Kernel,
    node: Node,
    /// The interface in each device slot, and whether it carries copies.
    devices: BTreeMap<u8, (u32, bool)>,
    moves: RingBuf<MapData>,
    reasons: Vec<(Reason, u64)>,
}

/// What the program did to a packet.
#[derive(Debug)]
pub(super) struct Run {
    /// The XDP action.
    pub(super) action: u32,
    /// The frame afterwards.
    pub(super) frame: Vec<u8>,
    /// The metadata afterwards.
    pub(super) metadata: Vec<u8>,
    /// The counters that went up, and by how much.
    pub(super) counted: Vec<(Reason, u64)>,
    /// Rows that were announced to have learned a source.
    pub(super) moved: Vec<RowIndex>,
}

impl Program {
    /// Loads the programs, with tables as large as [`Node`] wants them.
    pub(super) fn load() -> Result<Self, KernelError> {
        let sizes = Sizes { addresses: ADDRESSES.len() as u32, groups: GROUPS };
        let mut kernel = Kernel::load(sizes, None)?;
        let moves = kernel.take_moves().expect("taken once");
        let reasons = kernel.reasons()?;
        Ok(Self { kernel, node: Node::default(), devices: BTreeMap::new(), moves, reasons })
    }

    /// Attaches the relay program to an interface of the calling thread's namespace, for as long as this lives.
    pub(super) fn attach(&mut self, interface: &str, mode: XdpMode) {
        let relay = self.kernel.relay().unwrap_or_else(|error| panic!("{error}"));
        relay.attach(interface, mode).unwrap_or_else(|error| panic!("{interface}: {error}"));
    }

    /// Writes tables. Devices and shapes come and never go.
    pub(super) fn set_node(&mut self, node: &Node) -> Result<(), KernelError> {
        for (slot, interface) in &node.devices {
            let carries_copies = node.shapes.values().flatten().any(|entry| *entry == (*interface, true));
            let before = self.devices.get(slot).copied();
            // A device that has carried copies goes on to run the program for them.
            let device = (*interface, carries_copies || before == Some((*interface, true)));
            if before != Some(device) {
                self.kernel.set_device(*slot, device.0, device.1)?;
                self.devices.insert(*slot, device);
            }
        }
        for (shape, entries) in &node.shapes {
            if self.node.shapes.get(shape) != Some(entries) {
                self.kernel.set_shape(*shape, entries)?;
            }
        }
        node.write(self.kernel.memory(), &self.node);
        self.set_mixer_alive(node.is_mixer_alive);
        self.node = node.clone();
        Ok(())
    }

    /// Beats for the mixer: just now, or a little longer ago than a living mixer would have.
    pub(super) fn set_mixer_alive(&self, is_alive: bool) {
        // An hour ahead, so that no delay of this process makes a fresh beat a stale one.
        let fresh_ns = monotonic_ns() + 3_600_000_000_000;
        let stale_ns = monotonic_ns() - (HEARTBEAT_STALE_MS + 1) * 1_000_000;
        self.kernel.memory().beat(if is_alive { fresh_ns } else { stale_ns });
    }

    /// Replaces one rule.
    pub(super) fn set_rule(&mut self, index: RowIndex, rule: &Rule) {
        self.kernel.memory().row(index).expect("a row of the table").write(rule);
        self.node.rules.insert(index, *rule);
    }

    /// The epoch of a port.
    pub(super) fn epoch(&self, index: RowIndex) -> Epoch {
        self.kernel.memory().row(index).expect("a row of the table").epoch()
    }

    /// Starts another epoch of a port.
    pub(super) fn set_epoch(&self, index: RowIndex, epoch: Epoch) {
        self.kernel.memory().row(index).expect("a row of the table").set_epoch(epoch);
    }

    /// Runs the program on a frame that arrives on `interface` with so many bytes of metadata that somebody left.
    pub(super) fn run(&mut self, frame: &[u8], interface: u32, metadata: usize) -> Result<Run, KernelError> {
        assert!(frame.len() >= FRAME_BYTES_MIN, "the kernel runs programs on whole Ethernet headers only");
        let mut input = left_behind(metadata);
        input.extend(frame);
        let context = context(metadata as u32, input.len() as u32, interface);
        let (mut output, mut context_after) = (vec![0; OUTPUT_BYTES], context);
        let options = TestRunOptions {
            data_in: Some(&input),
            data_out: Some(&mut output),
            ctx_in: Some(&context),
            ctx_out: Some(&mut context_after),
            ..TestRunOptions::default()
        };
        let result = self.kernel.relay()?.test_run(options).expect("the kernel runs the program on any frame");
        output.truncate(result.data_size_out as usize);
        let frame = output.split_off(word(&context_after, 0) as usize);
        let run = Run {
            action: result.return_value,
            frame,
            metadata: output,
            counted: self.take_counted()?,
            moved: self.take_moved(),
        };
        Ok(run)
    }

    /// The counters that went up since the last call, and by how much.
    pub(super) fn take_counted(&mut self) -> Result<Vec<(Reason, u64)>, KernelError> {
        let before = std::mem::replace(&mut self.reasons, self.kernel.reasons()?);
        let changes = self.reasons.iter().zip(before).map(|((reason, now), (_, then))| (*reason, now - then));
        Ok(changes.filter(|(_, change)| *change != 0).collect())
    }

    fn take_moved(&mut self) -> Vec<RowIndex> {
        let mut moved = Vec::new();
        while let Some(item) = self.moves.next() {
            moved.push(RowIndex(u32::from_ne_bytes((*item).try_into().expect("a row index is four bytes"))));
        }
        moved
    }

    /// What a port has counted.
    pub(super) fn counted(&self, index: RowIndex) -> Counted {
        let clock = self.node.rules.get(&index).copied().unwrap_or_default().clock;
        let row = self.kernel.memory().row(index).expect("a row of the table");
        let statistics = row.statistics(clock);
        Counted {
            packets: statistics.packets,
            bytes: statistics.bytes,
            lost: statistics.lost,
            reordered: statistics.reordered,
            duplicates: statistics.duplicates,
            ssrc: statistics.ssrc,
            ssrc_changes: statistics.ssrc_changes,
            payload_type: statistics.payload_type,
            strangers: statistics.strangers,
            invalid: statistics.invalid,
            source: statistics.source.map(SocketAddr::from),
            is_locked: statistics.locked,
        }
    }
}

/// What [`CopyMark`] says, from its bytes.
pub(super) fn mark(metadata: &[u8]) -> Option<CopyMark> {
    let is_mark = metadata.len() == CopyMark::LENGTH && word(metadata, 0) == CopyMark::MAGIC;
    let [magic, group, serial, last] = [0, 1, 2, 3].map(|index| if is_mark { word(metadata, index) } else { 0 });
    let (original, sequence_offset) = (last as u16, (last >> 16) as u16);
    is_mark.then_some(CopyMark { magic, group, serial, original, sequence_offset })
}

/// Metadata of a frame that has crossed another node: it looks like a mark of ours.
fn left_behind(bytes: usize) -> Vec<u8> {
    let mut metadata = [CopyMark::MAGIC, 1, 7, 1].map(u32::to_ne_bytes).concat();
    metadata.resize(bytes, 0x5a);
    metadata
}

/// `struct xdp_md` of `linux/bpf.h`, with `data` and `data_end` as offsets from the start of the metadata.
pub(super) fn context(data: u32, data_end: u32, interface: u32) -> [u8; 24] {
    let (data_meta, queue, egress) = (0, 0, 0);
    let mut context = [0; 24];
    for (bytes, value) in context.chunks_mut(4).zip([data, data_end, data_meta, interface, queue, egress]) {
        bytes.copy_from_slice(&u32::to_ne_bytes(value));
    }
    context
}

fn word(bytes: &[u8], index: usize) -> u32 {
    u32::from_ne_bytes(bytes[4 * index..4 * index + 4].try_into().expect("four bytes"))
}
