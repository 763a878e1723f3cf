//! The relay's tables as a control plane would have written them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};
use undertone_abi::{
    Address, Clock, CopyRule, Dscp, Endpoint, Epoch, GroupPlan, Hop, Kind, Local, Policy, Row, RowIndex, Rule, Shapes,
    Tag, Via,
};
use undertone_core::Memory;
use undertone_dataplane::kernel::Kernel;

use crate::dataplane::{
    forwarding::{Load, MONITOR_FIRST, RELAY_OUT},
    rows::Frames,
    traffic,
};

/// Links that copies leave by.
pub(super) const MONITORS: u8 = 4;

/// The port that every stream leaves from. Its row answers for where streams are expected from.
const PARTNER_PORT: u16 = 20_000;
const PARTY_PORT: u16 = 5000;
const MONITOR_PORT: u16 = 6000;
/// The device slot of the link to the party; those to monitors follow.
const PARTY_DEVICE: u8 = 0;
/// The next hop to the party; those to monitors follow.
const PARTY_HOP: u16 = 1;
const SHAPE: u16 = 1;

/// Writes every table but those that name interfaces.
pub(super) fn write(memory: &impl Memory, load: &Load) {
    let config = memory.config();
    let addresses: Vec<_> = (0..load.addresses() as u8).map(|number| (media(load.frames, number), None)).collect();
    let accepted = config.set_addresses(&addresses);
    assert!(accepted, "these are few, and no two are the same");
    config.set_ports(PARTNER_PORT, u16::MAX);
    write_hops(memory, load);
    let epoch = Epoch::default().next_stream();
    let partner = RowIndex::new(Local(0), PARTNER_PORT);
    for (index, rule) in (0..load.streams()).map(|stream| (row_index(stream), rule(load, stream))) {
        write_row(memory, index, &rule, epoch);
    }
    write_row(memory, partner, &Rule { to: source(load.frames), group: 0, ..rule(load, 0) }, epoch);
    if load.copies > 0 {
        for stream in 0..load.streams() {
            if let Some(group) = memory.group(group_of(stream)) {
                group.write(&plan(load, stream));
            }
        }
    }
}

/// Names the interfaces that packets leave by.
pub(super) fn connect(kernel: &mut Kernel, load: &Load) -> Result<()> {
    kernel.set_device(PARTY_DEVICE, RELAY_OUT, false)?;
    let mut shape = vec![(RELAY_OUT, false)];
    for copy in 0..load.copies {
        kernel.set_device(device(load, copy), interface(load, copy), true)?;
        shape.push((interface(load, copy), true));
    }
    if load.copies > 0 {
        kernel.set_shape(SHAPE, &shape)?;
    }
    Ok(())
}

/// Looks whether the streams' own counters say the same as the generator: `packets` in all, and nothing amiss.
pub(super) fn check(memory: &impl Memory, load: &Load, packets: u64) -> Result<()> {
    let mut counted = 0;
    for stream in 0..load.streams() {
        let Some(row) = memory.row(row_index(stream)) else { bail!("there is no row for stream {stream}") };
        let statistics = row.statistics(Clock::Hz8000);
        if statistics.lost != 0 || statistics.strangers != 0 || statistics.ssrc_changes != 0 || !statistics.locked {
            bail!("stream {stream} arrived otherwise than it was sent: {statistics:?}");
        }
        counted += statistics.packets;
    }
    if counted != packets {
        bail!("the streams counted {counted} packets of {packets}");
    }
    Ok(())
}

/// The row of a stream's port.
pub(super) fn row_index(stream: u32) -> RowIndex {
    let (number, port) = traffic::destination(stream);
    RowIndex::new(Local(number), port)
}

/// The rule of a stream.
pub(super) fn rule(load: &Load, stream: u32) -> Rule {
    Rule {
        kind: Kind::Rtp,
        policy: Policy::Strict,
        clock: Clock::Hz8000,
        forward: true,
        divert: false,
        dscp: Dscp::new(46),
        to: Endpoint { address: party(load.frames), port: PARTY_PORT },
        from_port: PARTNER_PORT,
        via: Via { local: Local(0), hop: PARTY_HOP },
        group: if load.copies > 0 { group_of(stream) } else { 0 },
        sequence_offset: 0,
    }
}

fn write_row(memory: &impl Memory, index: RowIndex, rule: &Rule, epoch: Epoch) {
    if let Some(row) = memory.row(index) {
        let row: &Row = row;
        row.write(rule);
        row.set_epoch(epoch);
    }
}

/// Group 0 is none.
fn group_of(stream: u32) -> u16 {
    stream as u16 + 1
}

/// Copies are spread over the monitors, those of one monitor side by side.
fn monitor(load: &Load, copy: u8) -> u8 {
    let monitors = load.copies.clamp(1, MONITORS);
    copy * monitors / load.copies.max(1)
}

fn device(load: &Load, copy: u8) -> u8 {
    PARTY_DEVICE + 1 + monitor(load, copy)
}

fn interface(load: &Load, copy: u8) -> u32 {
    MONITOR_FIRST + 2 * u32::from(monitor(load, copy))
}

fn plan(load: &Load, stream: u32) -> GroupPlan {
    let mut plan = GroupPlan { count: load.copies, ..GroupPlan::default() };
    plan.shapes = Shapes { forward: SHAPE, ..Shapes::default() };
    for copy in 0..load.copies {
        let index = usize::from(copy);
        plan.copies[index] = CopyRule {
            to: Endpoint { address: party(load.frames), port: MONITOR_PORT + u16::from(copy) },
            from_port: 1024 + stream as u16,
            via: Via { local: Local(0), hop: PARTY_HOP + 1 + u16::from(monitor(load, copy)) },
        };
        plan.interfaces[index] = interface(load, copy);
        plan.devices[index] = device(load, copy);
    }
    plan
}

fn write_hops(memory: &impl Memory, load: &Load) {
    for hop in 0..=u16::from(MONITORS) {
        let Some(cell) = memory.hop(PARTY_HOP + hop) else { continue };
        cell.write(&Hop {
            resolved: true,
            device: PARTY_DEVICE + hop as u8,
            tags: u8::from(load.frames == Frames::Vlan),
            mtu: 1500,
            outer: Tag { tpid: 0x8100, tci: 200 },
            inner: Tag::default(),
            macs: Hop::macs([2, 0, 0, 0, 1, hop as u8], [2, 0, 0, 0, 2, hop as u8]),
        });
    }
}

fn media(frames: Frames, number: u8) -> Address {
    address(frames, traffic::MEDIA_V4, traffic::MEDIA_V6, number)
}

fn source(frames: Frames) -> Endpoint {
    Endpoint { address: address(frames, traffic::SOURCE_V4, traffic::SOURCE_V6, 0), port: traffic::SOURCE_PORT }
}

fn party(frames: Frames) -> Address {
    const V4: [u8; 4] = [10, 8, 0, 3];
    const V6: [u8; 16] = [0xfd, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    address(frames, V4, V6, 0)
}

/// One of two addresses, with the number of a media address put in; 0 leaves it as it is.
fn address(frames: Frames, mut v4: [u8; 4], mut v6: [u8; 16], number: u8) -> Address {
    v4[traffic::NUMBER_V4] |= number;
    v6[traffic::NUMBER_V6] |= number;
    Address::from(match frames {
        Frames::V6 => IpAddr::from(Ipv6Addr::from(v6)),
        Frames::V4 | Frames::Vlan => IpAddr::from(Ipv4Addr::from(v4)),
    })
}
