//! Frames as a sender would describe them, and the bytes they are.

use std::net::{IpAddr, SocketAddr};

use undertone_abi::Tag;

use super::payload::Payload;
use super::sum;

/// A UDP datagram in an Ethernet frame, with what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// VLAN tags, outermost first.
    pub(super) tags: Vec<Tag>,
    /// The sender.
    pub(super) source: SocketAddr,
    /// The receiver, of the same family.
    pub(super) destination: SocketAddr,
    /// IPv4 type of service or IPv6 traffic class.
    pub(super) class: u8,
    /// Time to live or hop limit.
    pub(super) ttl: u8,
    /// IPv4 identification, or the low bits of the IPv6 flow label.
    pub(super) label: u16,
    /// Whether it bears a UDP checksum.
    pub(super) summed: bool,
    /// What it carries.
    pub(super) payload: Payload,
    /// Bytes behind the IP packet, with which Ethernet fills up short frames.
    pub(super) trailer: u8,
    /// What is wrong with it.
    pub(super) faults: Vec<Fault>,
}

/// Something wrong with a frame. Lengths and checksums are right for the frame without it, unless it is about them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The innermost type of frame says something else.
    EtherType(u16),
    /// One tag more than two.
    ThirdTag,
    /// The IP version is another.
    Version(u8),
    /// IPv4 flags and fragment offset, or an IPv6 fragment header.
    Fragment(u16),
    /// Words of IPv4 options; nothing in IPv6.
    Options(u8),
    /// An IPv6 extension header of this type; nothing in IPv4.
    Extension(u8),
    /// Another protocol than UDP.
    Protocol(u8),
    /// Added to the IP header's length.
    IpLength(i16),
    /// Added to the UDP header's length.
    UdpLength(i16),
    /// Added to the IPv4 header's checksum.
    IpChecksum(u16),
    /// Added to the UDP checksum.
    UdpChecksum(u16),
    /// A byte of the frame, counted round its end, is another.
    Byte(u16, u8),
    /// The frame is cut to this many bytes, 14 at least.
    Cut(u16),
}

/// Frames that are shorter are never seen by an XDP program.
pub(super) const FRAME_BYTES_MIN: usize = 14;

const UDP: u8 = 17;
const FRAGMENT_HEADER: u8 = 44;

impl Frame {
    /// The bytes on the wire.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let datagram = self.datagram();
        let mut frame = vec![0x02, 0, 0, 0, 0, 0xaa, 0x02, 0, 0, 0, 0, 0xbb];
        for tag in &self.tags {
            frame.extend(tag.tpid.to_be_bytes());
            frame.extend(tag.tci.to_be_bytes());
        }
        if self.faults.contains(&Fault::ThirdTag) {
            frame.extend([0x81, 0, 0, 3].repeat(3 - self.tags.len()));
        }
        let (ethertype, header) = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(to)) => (0x0800, self.v4_header(source.octets(), to.octets(), &datagram)),
            (IpAddr::V6(source), IpAddr::V6(to)) => (0x86dd, self.v6_header(source.octets(), to.octets(), &datagram)),
            families => unreachable!("a packet has one family: {families:?}"),
        };
        let ethertype: u16 = self
            .fault(|fault| if let Fault::EtherType(other) = fault { Some(other) } else { None })
            .unwrap_or(ethertype);
        frame.extend(ethertype.to_be_bytes());
        frame.extend(header);
        frame.extend(datagram);
        frame.extend((0..self.trailer).map(|byte| 0xf0 ^ byte));
        self.damage(&mut frame);
        frame
    }

    /// A fault of one kind, if there is one.
    fn fault<T>(&self, pick: impl Fn(Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().find_map(|fault| pick(*fault))
    }

    /// UDP header and payload.
    fn datagram(&self) -> Vec<u8> {
        let payload = self.payload.bytes();
        let length = (8 + payload.len()) as u16;
        let mut datagram = Vec::new();
        datagram.extend(self.source.port().to_be_bytes());
        datagram.extend(self.destination.port().to_be_bytes());
        datagram.extend(length.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        if self.summed {
            let checksum = sum::udp(self.source.ip(), self.destination.ip(), &datagram);
            datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
        }
        for fault in &self.faults {
            match *fault {
                Fault::UdpLength(error) => add(&mut datagram, 4, error as u16),
                Fault::UdpChecksum(error) => add(&mut datagram, 6, error),
                _ => {}
            }
        }
        datagram
    }

    fn v4_header(&self, source: [u8; 4], destination: [u8; 4], datagram: &[u8]) -> Vec<u8> {
        let options =
            self.fault(|fault| if let Fault::Options(words) = fault { Some(words) } else { None }).unwrap_or(0);
        let words = 5 + options.min(10);
        let total = 4 * words as u16 + datagram.len() as u16;
        let fragment = self.fault(|fault| if let Fault::Fragment(field) = fault { Some(field) } else { None });
        let mut header = vec![self.version(4) << 4 | words, self.class];
        header.extend(total.to_be_bytes());
        header.extend(self.label.to_be_bytes());
        header.extend(fragment.unwrap_or(0x4000).to_be_bytes());
        header.extend([self.ttl, self.protocol(), 0, 0]);
        header.extend(source);
        header.extend(destination);
        header.resize(4 * words as usize, 1);
        self.change_ip_length(&mut header, 2);
        let checksum = sum::internet(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        if let Some(error) = self.fault(|fault| if let Fault::IpChecksum(error) = fault { Some(error) } else { None }) {
            add(&mut header, 10, error);
        }
        header
    }

    fn v6_header(&self, source: [u8; 16], destination: [u8; 16], datagram: &[u8]) -> Vec<u8> {
        let extension = self.fault(|fault| match fault {
            Fault::Extension(kind) => Some(kind),
            Fault::Fragment(_) => Some(FRAGMENT_HEADER),
            _ => None,
        });
        let length = datagram.len() + if extension.is_some() { 8 } else { 0 };
        let word = u32::from(self.version(6)) << 28 | u32::from(self.class) << 20 | u32::from(self.label);
        let mut header = word.to_be_bytes().to_vec();
        header.extend((length as u16).to_be_bytes());
        header.extend([extension.unwrap_or_else(|| self.protocol()), self.ttl]);
        header.extend(source);
        header.extend(destination);
        self.change_ip_length(&mut header, 4);
        if extension.is_some() {
            header.extend([self.protocol(), 0, 0, 0, 0, 0, 0, 0]);
        }
        header
    }

    fn version(&self, right: u8) -> u8 {
        self.fault(|fault| if let Fault::Version(other) = fault { Some(other & 0xf) } else { None }).unwrap_or(right)
    }

    fn protocol(&self) -> u8 {
        self.fault(|fault| if let Fault::Protocol(other) = fault { Some(other) } else { None }).unwrap_or(UDP)
    }

    fn change_ip_length(&self, header: &mut [u8], at: usize) {
        if let Some(error) = self.fault(|fault| if let Fault::IpLength(error) = fault { Some(error) } else { None }) {
            add(header, at, error as u16);
        }
    }

    /// What befalls the frame as a whole.
    fn damage(&self, frame: &mut Vec<u8>) {
        for fault in &self.faults {
            match *fault {
                Fault::Byte(at, value) => {
                    let at = at as usize % frame.len();
                    frame[at] = value;
                }
                Fault::Cut(length) => frame.truncate((length as usize).max(FRAME_BYTES_MIN)),
                _ => {}
            }
        }
    }
}

/// Adds to a 16-bit field in network order.
fn add(bytes: &mut [u8], at: usize, value: u16) {
    let field = u16::from_be_bytes([bytes[at], bytes[at + 1]]).wrapping_add(value);
    bytes[at..at + 2].copy_from_slice(&field.to_be_bytes());
}

/// The bytes of a frame, sixteen a line, for whoever reads a failed test.
pub(super) fn dump(frame: &[u8]) -> String {
    let lines = frame.chunks(16).enumerate().map(|(line, bytes)| {
        let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("    {:04x}  {}\n", 16 * line, hex.join(" "))
    });
    lines.collect()
}
