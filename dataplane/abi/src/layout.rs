//! The layouts as the text that [`ABI_VERSION`](crate::ABI_VERSION) stands for.

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr},
    path::Path,
};

use crate::{
    ABI_VERSION, Address, Clock, Config, CopyMark, CopyRule, Dscp, Epoch, Group, GroupPlan, Hop, Kind, LocalAddress,
    MediaAddressSlot, Policy, PollTime, Published, Reason, Row, Rtp, Rule, Shapes, Tag, Turn, Via, Word32, Word64,
    limits::{COPIES_MAX, DEVICES_MAX, HOPS_MAX, PORTS, SHAPE_ENTRIES, SHAPES_MAX},
    maps,
    rule::Local,
};

#[test]
fn a_layout_changes_with_the_abi_version_only() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("layouts/{ABI_VERSION}.txt"));
    let ours = layouts();
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let is_new = |line: &&str| !expected.lines().any(|other| other == *line);
    let changed: Vec<_> = ours.lines().filter(is_new).filter_map(|line| line.split(' ').next()).collect();
    assert!(
        ours == expected,
        "{changed:?} lie otherwise in memory than version {ABI_VERSION} says, and a daemon would take over tables that it \
         misreads.\nRaise ABI_VERSION, unless that was done since the last release, and make {} of these lines, in the \
         place of the last version's file:\n\n{ours}",
        file.display(),
    );
}

/// A line for each map: its entries, their size, and the words of one in which every field has another value.
fn layouts() -> String {
    let [row, hop, group, config] =
        [format!("{:x?}", row()), format!("{:x?}", hop()), format!("{:x?}", group()), config()];
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.key()).collect();
    let lines = [
        line(maps::ROWS, format!("{PORTS} an address"), size_of::<Row>(), &row),
        line(maps::HOPS, HOPS_MAX, size_of::<Published>(), &hop),
        line(maps::GROUPS, "as configured", size_of::<Group>(), &group),
        line(maps::CONFIG, 1, size_of::<Config>(), &config),
        line(maps::HEARTBEAT, 1, size_of::<Word64>(), "nanoseconds"),
        line(maps::REASONS, Reason::COUNT, size_of::<Word64>(), &reasons.join(" ")),
        line(maps::DEVICES, DEVICES_MAX, 8, "of the kernel"),
        line(maps::SHAPES, format!("{} of {SHAPE_ENTRIES}", SHAPES_MAX + 1), 8, "of the kernel"),
        line(maps::SERIAL, 1, size_of::<Word32>(), "a number"),
        line(maps::TURNS, DEVICES_MAX, size_of::<Turn>(), &format!("{:x?}", Turn::default())),
        line(maps::POLL_TIME, 1, size_of::<PollTime>(), &format!("{:x?}", PollTime::default())),
        line("metadata", 1, size_of::<CopyMark>(), &format!("{:x?}", mark())),
    ];
    lines.concat()
}

fn line(map: &str, entries: impl std::fmt::Display, bytes: usize, what: &str) -> String {
    format!("{map} ({entries}), {bytes} bytes: {what}\n")
}

/// A port that two packets of a stream came to, and one of somebody else's.
fn row() -> Row {
    let row = Row::default();
    row.write(&Rule {
        kind: Kind::RtpMux,
        policy: Policy::Latch,
        clock: Clock::Hz90000,
        forward: true,
        divert: false,
        dscp: Dscp::new(46),
        to: socket(1, 0x1111).into(),
        from_port: 0x2222,
        via: Via { local: Local(3), hop: 0x444 },
        group: 0x5555,
        sequence_offset: 0x6666,
    });
    row.set_epoch(Epoch(0x7777_0008));
    row.follow();
    for (number, from) in [(1, socket(2, 0x9999)), (2, socket(2, 0x9999)), (3, socket(3, 0xaaaa))] {
        let now_ns = (number + 1) << 32;
        if row.admit(Policy::Latch, row.epoch(), from.into(), || Some(from.into()), now_ns)
            != crate::Admission::Stranger
        {
            row.count(172, now_ns);
            let timestamp = 160 * number as u32;
            row.receive(
                &Rtp { payload_type: 96, sequence: 65_535, timestamp, ssrc: 0xbbbb_bbbb },
                Clock::Hz90000,
                now_ns,
            );
        }
    }
    row.count_invalid();
    row
}

fn hop() -> Published {
    let cell = Published::default();
    cell.write(&Hop {
        resolved: true,
        device: 2,
        tags: 3,
        mtu: 0x4444,
        outer: Tag { tpid: 0x5555, tci: 0x6666 },
        inner: Tag { tpid: 0x7777, tci: 0x8888 },
        macs: Hop::macs([0x91, 0x92, 0x93, 0x94, 0x95, 0x96], [0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6]),
    });
    cell
}

fn group() -> Group {
    let mut plan = GroupPlan {
        shapes: Shapes { forward: 0x1111, divert: 0x2222, hold: 0x3333 },
        count: COPIES_MAX as u8,
        ..GroupPlan::default()
    };
    for (index, copy) in plan.copies.iter_mut().enumerate() {
        let number = index as u16;
        *copy = CopyRule {
            to: socket(number, 0x4440 + number).into(),
            from_port: 0x5550 + number,
            via: Via { local: Local(6), hop: 0x770 + number },
        };
        plan.interfaces[index] = 0x8880 + u32::from(number);
        plan.devices[index] = 0x90 + index as u8;
    }
    let group = Group::default();
    group.write(&plan);
    group
}

/// The node, without the slots and addresses that are like the ones beside them.
fn config() -> String {
    let config = Config::new();
    config.set_ports(0x1111, 0x2222);
    config.set_mixer(0x3333, 0x4444, [5, 6, 7, 8].into(), &[0x9999, 0xcccc, 0xdddd], 0xaaaa);
    config.set_copies_port(0xbbbb);
    config.set_poll_end(true);
    assert!(config.set_addresses(&[(Address::from(socket(1, 0).ip()), Some([12, 13, 14, 15].into()))]));
    let (slot, local) = (format!("{:x?}", MediaAddressSlot::default()), format!("{:x?}", LocalAddress::default()));
    let text = format!("{config:x?}").replace(&format!("{slot}, "), "").replace(&format!("{local}, "), "");
    format!("{text}, {} bytes a slot, {} an address", size_of::<MediaAddressSlot>(), size_of::<LocalAddress>())
}

fn mark() -> CopyMark {
    CopyMark { magic: CopyMark::MAGIC, group: 1, serial: 2, original: 3, sequence_offset: 4 }
}

fn socket(host: u16, port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::new(0xfd01, 0x203, 0x405, 0x607, 0x809, 0xa0b, 0xc0d, host).into(), port)
}
