use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::{Linktype, PcapCapture, PcapHeader, parse_pcap_header};

use super::{records::NotPcap, *};

fn datagrams() -> Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)> {
    let at = |number: u64| Duration::new(1_700_000_000 + number, 123_456_789);
    let socket = |text: &str| text.parse().expect("an address and a port");
    vec![
        (at(0), socket("192.0.2.7:4000"), socket("192.0.2.10:20000"), vec![0x80, 0, 0, 1]),
        (at(1), socket("[2001:db8::7]:4000"), socket("[2001:db8::10]:20002"), (0..=255).collect()),
        (at(2), socket("192.0.2.7:4000"), socket("192.0.2.10:20000"), Vec::new()),
        (at(3), socket("192.0.2.7:4000"), socket("192.0.2.10:20000"), vec![7; 1_001]),
    ]
}

fn file() -> Vec<u8> {
    let mut file = file_header().to_vec();
    for (at, from, to, payload) in &datagrams() {
        Datagram { at: *at, from: *from, to: *to, payload }.append_to(&mut file);
    }
    file
}

#[test]
fn another_reader_finds_what_was_written() {
    let file = file();
    let capture = PcapCapture::from_file(&file).expect("a pcap file");
    assert_eq!(capture.header.network, Linktype::RAW);
    assert_eq!(capture.blocks.len(), datagrams().len());
    for (block, (at, from, to, payload)) in capture.blocks.iter().zip(datagrams()) {
        assert_eq!((block.ts_sec as u64, block.ts_usec), (at.as_secs(), at.subsec_nanos()));
        assert_eq!((block.caplen, block.caplen), (block.origlen, block.data.len() as u32));
        let packet = SlicedPacket::from_ip(block.data).expect("an IP packet");
        let hosts: (IpAddr, IpAddr) = match packet.net.expect("an IP header") {
            NetSlice::Ipv4(it) => {
                let header = it.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                (header.source.into(), header.destination.into())
            }
            NetSlice::Ipv6(it) => (it.header().source_addr().into(), it.header().destination_addr().into()),
            NetSlice::Arp(it) => panic!("{it:?}"),
        };
        assert_eq!(hosts, (from.ip(), to.ip()));
        let Some(TransportSlice::Udp(udp)) = packet.transport else { panic!("{:?}", packet.transport) };
        assert_eq!((udp.source_port(), udp.destination_port()), (from.port(), to.port()));
        assert_eq!(udp.payload(), payload);
        let sum = match hosts {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                udp.to_header().calc_checksum_ipv4_raw(from.octets(), to.octets(), &payload)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                udp.to_header().calc_checksum_ipv6_raw(from.octets(), to.octets(), &payload)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(udp.checksum(), sum.expect("not too long"));
    }
}

#[test]
fn the_header_says_what_the_times_are_in() {
    let header = file_header();
    let (rest, parsed): (&[u8], PcapHeader) = parse_pcap_header(&header).expect("a header");
    assert!(rest.is_empty() && parsed.is_nanosecond_precision() && !parsed.is_bigendian());
    assert_eq!((parsed.version_major, parsed.version_minor), (2, 4));
}

#[test]
fn what_no_packet_can_carry_is_left_out() {
    let mut file = Vec::new();
    let (v4, v6) = ("192.0.2.7:1".parse().expect("IPv4"), "[::7]:1".parse().expect("IPv6"));
    Datagram { at: Duration::ZERO, from: v4, to: v6, payload: &[] }.append_to(&mut file);
    Datagram { at: Duration::ZERO, from: v4, to: v4, payload: &vec![0; 65_536] }.append_to(&mut file);
    assert!(file.is_empty(), "{file:?}");
}

#[test]
fn a_stream_in_pieces_is_cut_into_whole_packets() {
    let file = file();
    for piece in [1, 7, 24, 100, file.len()] {
        let (mut records, mut out, mut packets) = (Records::default(), Vec::new(), 0);
        for bytes in file.chunks(piece) {
            records.push(bytes);
            let (whole, count) = records.take(u64::MAX).expect("a pcap stream");
            out.extend(whole);
            packets += count;
            assert!(out.is_empty() || PcapCapture::from_file(&out).is_ok(), "{} bytes", out.len());
        }
        assert_eq!((packets, &out), (datagrams().len() as u64, &file), "in pieces of {piece}");
    }
}

#[test]
fn no_more_packets_are_taken_than_are_wanted() {
    let mut records = Records::default();
    records.push(&file());
    let (whole, count) = records.take(3).expect("a pcap stream");
    assert_eq!((count, PcapCapture::from_file(&whole).expect("a file").blocks.len()), (3, 3));
    assert_eq!(records.take(0).expect("nothing wanted"), (Vec::new(), 0));
}

#[test]
fn what_is_no_pcap_stream_is_noticed() {
    let mut records = Records::default();
    records.push(b"{\"error\"");
    assert_eq!(records.take(1), Err(NotPcap));
    let mut records = Records::default();
    records.push(&file_header());
    records.push(&[0xff; 16]);
    assert_eq!(records.take(1), Err(NotPcap));
}
