//! Turning a packet that arrived into the packet that leaves.

use undertone_abi::{Address, Dscp, Endpoint, Hop, Reason, Tag};

use crate::{
    Datagram, Room, Sum,
    bytes::{field, put},
    datagram::{ETHERNET, IPV4, IPV6, TAG, UDP, ethertype},
};

/// Bytes of payload at most that are summed for a checksum that was not there.
const SUMMED_MAX: usize = 1536;
/// Bytes that are summed at a time.
const CHUNK: usize = 16;

/// How a packet leaves.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite {
    /// The source it gets.
    pub from: Endpoint,
    /// The destination it gets, of the same family as `from`.
    pub to: Endpoint,
    /// The way it goes.
    pub hop: Hop,
    /// The code point it gets; `None` leaves the traffic class alone.
    pub dscp: Option<Dscp>,
    /// How much the time to live goes down: 1, or 0 for a packet that has been forwarded already.
    pub ttl_step: u8,
    /// Added to the RTP sequence number; 0 for anything but RTP.
    pub sequence_offset: u16,
}

impl Rewrite {
    /// Rewrites the frame in which `datagram` stands. On an error the frame may be half rewritten, and is to be
    /// dropped.
    #[inline(always)]
    pub fn apply(&self, frame: &mut impl Room, datagram: &Datagram) -> Result<(), Reason> {
        // The same code twice, so that one version's packets do not carry the other's addresses along.
        if self.to.address.is_v4() {
            let narrow = |end: Endpoint| Endpoint { address: Address::v4(end.address.v4_word()), ..end };
            Self { from: narrow(self.from), to: narrow(self.to), ..*self }.apply_as::<IPV4>(frame, datagram)
        } else {
            self.apply_as::<IPV6>(frame, datagram)
        }
    }

    /// Rewrites the frame to have an IP header of `IP` bytes.
    #[inline(always)]
    fn apply_as<const IP: usize>(&self, frame: &mut impl Room, datagram: &Datagram) -> Result<(), Reason> {
        let class = Class::read(frame, datagram)?;
        if class.ttl <= self.ttl_step {
            return Err(Reason::TtlExpired);
        }
        if IP + datagram.udp_length > self.hop.mtu as usize {
            return Err(Reason::TooBig);
        }
        let moved = self.moved(datagram);
        let checksum = self.checksum::<IP>(frame, datagram, moved)?;
        let leaving = Leaving { datagram, class, moved, checksum };
        // Constant offsets: the checks of each arm are against constants.
        match self.hop.tags {
            0 => self.emit::<IP>(frame, ETHERNET, &leaving),
            1 => self.emit::<IP>(frame, ETHERNET + TAG, &leaving),
            _ => self.emit::<IP>(frame, ETHERNET + 2 * TAG, &leaving),
        }
    }

    /// Writes the headers with the IP header at `ip`.
    #[inline(always)]
    fn emit<const IP: usize>(&self, frame: &mut impl Room, ip: usize, leaving: &Leaving<'_>) -> Result<(), Reason> {
        make_room(frame, leaving.datagram, ip + IP)?;
        self.write_ethernet(frame, ip, if IP == IPV4 { ethertype::IPV4 } else { ethertype::IPV6 })?;
        match (IP, leaving.datagram.is_v4()) {
            (IPV4, true) => self.update_v4(frame, ip, leaving.moved)?,
            (IPV4, false) => self.write_v4(frame, leaving.datagram, leaving.class, ip)?,
            (_, true) => self.write_v6(frame, leaving.datagram, leaving.class, ip)?,
            (_, false) => self.update_v6(frame, ip)?,
        }
        self.write_udp(frame, ip + IP, leaving.checksum)
    }

    /// What a checksum over the addresses changes by.
    #[inline(always)]
    fn moved(&self, datagram: &Datagram) -> Sum {
        Sum::new()
            .remove_address(&datagram.source.address)
            .remove_address(&datagram.destination.address)
            .add_address(&self.from.address)
            .add_address(&self.to.address)
    }

    /// The UDP checksum of the packet as it will be.
    #[inline(always)]
    fn checksum<const IP: usize>(&self, frame: &impl Room, datagram: &Datagram, moved: Sum) -> Result<[u8; 2], Reason> {
        let field = *frame.read::<2>(datagram.udp() + 6).ok_or(Reason::BadLength)?;
        let sum = if u16::from_ne_bytes(field) != 0 {
            let (source, destination) = (datagram.source.port.to_be(), datagram.destination.port.to_be());
            Sum::of_field(field).add(moved).remove16(source).remove16(destination)
        } else if !datagram.is_v4() {
            return Err(Reason::NoChecksum);
        } else if IP == IPV4 {
            return Ok([0, 0]);
        } else {
            sum_datagram(frame, datagram.payload(), datagram.udp_length)?
                .add_address(&self.from.address)
                .add_address(&self.to.address)
        };
        let sum = sum.add16(self.from.port.to_be()).add16(self.to.port.to_be());
        if self.sequence_offset == 0 {
            return Ok(sum.udp_field());
        }
        let old = frame.read::<2>(datagram.payload() + 2).ok_or(Reason::BadRtp)?;
        let new = u16::from_be_bytes(*old).wrapping_add(self.sequence_offset);
        Ok(sum.remove16(u16::from_ne_bytes(*old)).add16(new.to_be()).udp_field())
    }

    #[inline(always)]
    fn write_ethernet(&self, frame: &mut impl Room, ip: usize, ethertype: u16) -> Result<(), Reason> {
        let [m0, m1, m2] = self.hop.macs.map(u32::to_ne_bytes);
        let ethertype = ethertype.to_be_bytes();
        let word = |tag: Tag| {
            let ([a, b], [c, d]) = (tag.tpid.to_be_bytes(), tag.tci.to_be_bytes());
            [a, b, c, d]
        };
        let macs = frame.write::<12>(0).ok_or(Reason::NoRoom)?;
        put::<0, 4, _>(macs, m0);
        put::<4, 4, _>(macs, m1);
        put::<8, 4, _>(macs, m2);
        if ip == ETHERNET {
            *frame.write::<2>(12).ok_or(Reason::NoRoom)? = ethertype;
        } else if ip == ETHERNET + TAG {
            let tagged = frame.write::<6>(12).ok_or(Reason::NoRoom)?;
            put::<0, 4, _>(tagged, word(self.hop.outer));
            put::<4, 2, _>(tagged, ethertype);
        } else {
            let tagged = frame.write::<10>(12).ok_or(Reason::NoRoom)?;
            put::<0, 4, _>(tagged, word(self.hop.outer));
            put::<4, 4, _>(tagged, word(self.hop.inner));
            put::<8, 2, _>(tagged, ethertype);
        }
        Ok(())
    }

    /// Changes an IPv4 header in place; a header whose checksum was wrong keeps a wrong one.
    #[inline(always)]
    fn update_v4(&self, frame: &mut impl Room, ip: usize, moved: Sum) -> Result<(), Reason> {
        let header = frame.write::<IPV4>(ip).ok_or(Reason::NoRoom)?;
        let (old_class, old_ttl) = (field::<0, 2, _>(header), field::<8, 2, _>(header));
        let [version, class] = old_class;
        let new_class = [version, self.traffic_class(class)];
        let [ttl, protocol] = old_ttl;
        let new_ttl = [ttl.wrapping_sub(self.ttl_step), protocol];
        let checksum = Sum::of_field(field::<10, 2, _>(header))
            .add(moved)
            .remove16(u16::from_ne_bytes(old_class))
            .add16(u16::from_ne_bytes(new_class))
            .remove16(u16::from_ne_bytes(old_ttl))
            .add16(u16::from_ne_bytes(new_ttl))
            .field();
        put::<0, 2, _>(header, new_class);
        put::<8, 2, _>(header, new_ttl);
        put::<10, 2, _>(header, checksum);
        put::<12, 4, _>(header, self.from.address.v4_word().to_ne_bytes());
        put::<16, 4, _>(header, self.to.address.v4_word().to_ne_bytes());
        Ok(())
    }

    /// Changes an IPv6 header in place.
    #[inline(always)]
    fn update_v6(&self, frame: &mut impl Room, ip: usize) -> Result<(), Reason> {
        let header = frame.write::<IPV6>(ip).ok_or(Reason::NoRoom)?;
        let [a, b] = field::<0, 2, _>(header);
        let traffic_class = self.traffic_class(a << 4 | b >> 4);
        put::<0, 2, _>(header, [0x60 | traffic_class >> 4, traffic_class << 4 | b & 0xf]);
        header[7] = header[7].wrapping_sub(self.ttl_step);
        self.write_v6_addresses(header);
        Ok(())
    }

    /// Writes an IPv4 header in place of an IPv6 one: an atomic datagram, RFC 6864, section 4.
    #[inline(always)]
    fn write_v4(&self, frame: &mut impl Room, datagram: &Datagram, class: Class, ip: usize) -> Result<(), Reason> {
        let total = ((IPV4 + datagram.udp_length) as u16).to_be_bytes();
        let ttl = class.ttl.wrapping_sub(self.ttl_step);
        let traffic_class = self.traffic_class(class.traffic_class);
        let [f0, f1, f2, f3] = self.from.address.v4_word().to_ne_bytes();
        let [t0, t1, t2, t3] = self.to.address.v4_word().to_ne_bytes();
        let dont_fragment = 0x40;
        let [c0, c1] = Sum::new()
            .add16(u16::from_ne_bytes([0x45, traffic_class]))
            .add16(u16::from_ne_bytes(total))
            .add16(u16::from_ne_bytes([dont_fragment, 0]))
            .add16(u16::from_ne_bytes([ttl, 17]))
            .add32(self.from.address.v4_word())
            .add32(self.to.address.v4_word())
            .field();
        *frame.write::<IPV4>(ip).ok_or(Reason::NoRoom)? = [
            0x45,
            traffic_class,
            total[0],
            total[1],
            0,
            0,
            dont_fragment,
            0,
            ttl,
            17,
            c0,
            c1,
            f0,
            f1,
            f2,
            f3,
            t0,
            t1,
            t2,
            t3,
        ];
        Ok(())
    }

    /// Writes an IPv6 header in place of an IPv4 one.
    #[inline(always)]
    fn write_v6(&self, frame: &mut impl Room, datagram: &Datagram, class: Class, ip: usize) -> Result<(), Reason> {
        let traffic_class = self.traffic_class(class.traffic_class);
        let header = frame.write::<IPV6>(ip).ok_or(Reason::NoRoom)?;
        [header[0], header[1], header[2], header[3]] = [0x60 | traffic_class >> 4, traffic_class << 4, 0, 0];
        [header[4], header[5]] = (datagram.udp_length as u16).to_be_bytes();
        [header[6], header[7]] = [17, class.ttl.wrapping_sub(self.ttl_step)];
        self.write_v6_addresses(header);
        Ok(())
    }

    #[inline(always)]
    fn write_v6_addresses(&self, header: &mut [u8; IPV6]) {
        let [a, b, c, d] = self.from.address.0.map(u32::to_ne_bytes);
        let [e, f, g, h] = self.to.address.0.map(u32::to_ne_bytes);
        put::<8, 4, _>(header, a);
        put::<12, 4, _>(header, b);
        put::<16, 4, _>(header, c);
        put::<20, 4, _>(header, d);
        put::<24, 4, _>(header, e);
        put::<28, 4, _>(header, f);
        put::<32, 4, _>(header, g);
        put::<36, 4, _>(header, h);
    }

    #[inline(always)]
    fn write_udp(&self, frame: &mut impl Room, udp: usize, checksum: [u8; 2]) -> Result<(), Reason> {
        let header = frame.write::<UDP>(udp).ok_or(Reason::NoRoom)?;
        put::<0, 2, _>(header, self.from.port.to_be_bytes());
        put::<2, 2, _>(header, self.to.port.to_be_bytes());
        put::<6, 2, _>(header, checksum);
        if self.sequence_offset != 0 {
            let sequence = frame.write::<2>(udp + UDP + 2).ok_or(Reason::NoRoom)?;
            *sequence = u16::from_be_bytes(*sequence).wrapping_add(self.sequence_offset).to_be_bytes();
        }
        Ok(())
    }

    #[inline(always)]
    fn traffic_class(&self, old: u8) -> u8 {
        match self.dscp {
            Some(dscp) => dscp.bits() << 2 | old & 3,
            None => old,
        }
    }
}

/// A packet about to leave.
struct Leaving<'a> {
    datagram: &'a Datagram,
    class: Class,
    /// See [`Rewrite::moved`].
    moved: Sum,
    /// The UDP checksum that it gets.
    checksum: [u8; 2],
}

/// What both IP versions say of how a packet is to be treated.
#[derive(Clone, Copy)]
struct Class {
    /// IPv4 type of service or IPv6 traffic class.
    traffic_class: u8,
    /// Time to live or hop limit.
    ttl: u8,
}

impl Class {
    #[inline(always)]
    fn read(frame: &impl Room, datagram: &Datagram) -> Result<Self, Reason> {
        // The first nine bytes hold both, in either version.
        let header = frame.read::<9>(datagram.ip).ok_or(Reason::BadLength)?;
        Ok(if datagram.is_v4() {
            Self { traffic_class: header[1], ttl: header[8] }
        } else {
            Self { traffic_class: header[0] << 4 | header[1] >> 4, ttl: header[7] }
        })
    }
}

/// Moves the front of the frame so that the UDP header stands at `udp`.
#[inline(always)]
fn make_room(frame: &mut impl Room, datagram: &Datagram, udp: usize) -> Result<(), Reason> {
    let forwards = datagram.udp() as i32 - udp as i32;
    if forwards != 0 && !frame.move_front(forwards) { Err(Reason::NoRoom) } else { Ok(()) }
}

/// The sum of a datagram that bears no checksum, but for its addresses and ports.
#[inline(never)]
fn sum_datagram(frame: &impl Room, start: usize, udp_length: usize) -> Result<Sum, Reason> {
    let length = udp_length.checked_sub(UDP).ok_or(Reason::BadLength)?;
    let mut sum = Sum::new()
        // The UDP length counts twice: in the pseudo-header and in the header.
        .add16((udp_length as u16).to_be())
        .add16((udp_length as u16).to_be())
        .add16(17_u16.to_be());
    if length > SUMMED_MAX {
        return Err(Reason::NoChecksum);
    }
    let mut at = start;
    for _ in 0..SUMMED_MAX / CHUNK {
        if at + CHUNK > start + length {
            break;
        }
        sum = add_chunk(sum, &frame.peek::<CHUNK>(at).ok_or(Reason::BadLength)?);
        at += CHUNK;
    }
    // What is left is shorter than a chunk: its length in binary says which powers of two it is made of.
    let rest = start + length - at;
    if rest & 8 != 0 {
        sum = add_chunk(sum, &frame.peek::<8>(at).ok_or(Reason::BadLength)?);
        at += 8;
    }
    if rest & 4 != 0 {
        sum = add_chunk(sum, &frame.peek::<4>(at).ok_or(Reason::BadLength)?);
        at += 4;
    }
    if rest & 2 != 0 {
        sum = sum.add16(u16::from_ne_bytes(frame.peek::<2>(at).ok_or(Reason::BadLength)?));
        at += 2;
    }
    if rest & 1 != 0 {
        let [last] = frame.peek::<1>(at).ok_or(Reason::BadLength)?;
        sum = sum.add16(u16::from_ne_bytes([last, 0]));
    }
    Ok(sum)
}

#[inline(always)]
fn add_chunk<const N: usize>(mut sum: Sum, chunk: &[u8; N]) -> Sum {
    for word in chunk.as_chunks::<4>().0 {
        sum = sum.add32(u32::from_ne_bytes(*word));
    }
    sum
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Buffer,
        reference::{Packet, endpoint_pairs, packets, tags},
    };

    /// How a packet is to leave.
    #[derive(Clone, Debug)]
    struct Leave {
        ends: [SocketAddr; 2],
        macs: [u8; 12],
        tags: Vec<Tag>,
        mtu: u16,
        dscp: Option<Dscp>,
        ttl_step: u8,
        sequence_offset: u16,
    }

    impl Leave {
        fn rewrite(&self) -> Rewrite {
            let [destination, source] = *self.macs.as_chunks::<6>().0 else { unreachable!() };
            let [outer, inner] = [0, 1].map(|index| self.tags.get(index).copied().unwrap_or_default());
            let macs = Hop::macs(destination, source);
            let hop = Hop { resolved: true, device: 0, tags: self.tags.len() as u8, mtu: self.mtu, outer, inner, macs };
            Rewrite {
                from: self.ends[0].into(),
                to: self.ends[1].into(),
                hop,
                dscp: self.dscp,
                ttl_step: self.ttl_step,
                sequence_offset: self.sequence_offset,
            }
        }

        /// The packet as it leaves, by what is said of it and not by what was done to it.
        fn expected(&self, packet: &Packet) -> Packet {
            let (was_v4, is_v4) = (packet.source.is_ipv4(), self.ends[0].is_ipv4());
            let mut payload = packet.payload.clone();
            let sequence = u16::from_be_bytes([payload[2], payload[3]]).wrapping_add(self.sequence_offset);
            payload[2..4].copy_from_slice(&sequence.to_be_bytes());
            Packet {
                macs: self.macs,
                tags: self.tags.clone(),
                source: self.ends[0],
                destination: self.ends[1],
                class: self.dscp.map_or(packet.class, |dscp| dscp.bits() << 2 | packet.class & 3),
                ttl: packet.ttl - self.ttl_step,
                label: if was_v4 || is_v4 { 0 } else { packet.label },
                identification: if was_v4 { packet.identification } else { (0, true) },
                summed: packet.summed || !is_v4,
                payload,
                trailer: packet.trailer,
            }
        }
    }

    fn leaves() -> impl Strategy<Value = Leave> {
        let dscp = prop::option::of((0..64_u8).prop_map(|value| Dscp::new(value).unwrap()));
        (endpoint_pairs(), any::<[u8; 12]>(), tags(), dscp, 0..2_u8, any::<u16>()).prop_map(
            |(ends, macs, tags, dscp, ttl_step, sequence_offset)| Leave {
                ends,
                macs,
                tags,
                mtu: 1500,
                dscp,
                ttl_step,
                sequence_offset,
            },
        )
    }

    fn apply(leave: &Leave, frame: &[u8]) -> Result<Vec<u8>, Reason> {
        let mut buffer = Buffer::new(256, frame);
        let datagram = Datagram::parse(&buffer)?;
        leave.rewrite().apply(&mut buffer, &datagram)?;
        Ok(buffer.bytes().to_vec())
    }

    /// A packet of IPv4 or IPv6 without a UDP checksum, and a way to leave over IPv4 or IPv6.
    fn unsummed(was_v4: bool, is_v4: bool, payload: usize) -> (Packet, Leave) {
        let ends = |is_v4| {
            let [one, other] = if is_v4 { ["192.0.2.1:1", "192.0.2.2:2"] } else { ["[fd00::1]:1", "[fd00::2]:2"] };
            [one, other].map(|end| end.parse::<SocketAddr>().unwrap())
        };
        let [source, destination] = ends(was_v4);
        let packet = Packet {
            macs: [1; 12],
            tags: Vec::new(),
            source,
            destination,
            class: 0,
            ttl: 64,
            label: 0,
            identification: (0, true),
            summed: false,
            payload: (0..payload).map(|byte| byte as u8).collect(),
            trailer: 3,
        };
        let ends = ends(is_v4);
        (
            packet,
            Leave { ends, macs: [2; 12], tags: Vec::new(), mtu: 9000, dscp: None, ttl_step: 1, sequence_offset: 0 },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_leaves_is_what_would_be_written_afresh(packet in packets(), leave in leaves()) {
            let expected = leave.expected(&packet).bytes();
            prop_assert_eq!(apply(&leave, &packet.bytes()), Ok(expected));
        }

        #[test]
        fn a_checksum_that_was_wrong_stays_wrong(packet in packets(), leave in leaves(), error in 1..0xffff_u16) {
            let packet = Packet { summed: true, ..packet };
            let mut frame = packet.bytes();
            let at = frame.len() - packet.trailer - packet.payload.len() - 2;
            let field = u32::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
            // Modulo 2¹⁶ − 1, in which 0 and 0xffff are the same; 0 would say that there is no checksum.
            let wrong = 1 + (field + u32::from(error) - 1) % 0xffff;
            frame[at..at + 2].copy_from_slice(&(wrong as u16).to_be_bytes());
            let right = leave.expected(&packet).bytes();
            prop_assert_ne!(apply(&leave, &frame), Ok(right));
        }

        #[test]
        fn any_bytes_are_rewritten_or_refused(frame in prop::collection::vec(any::<u8>(), 14..120), leave in leaves()) {
            let _ = apply(&leave, &frame);
        }
    }

    #[test]
    fn a_checksum_that_was_not_there_is_summed_up_to_a_length() {
        for payload in 12..=SUMMED_MAX {
            let (packet, leave) = unsummed(true, false, payload);
            assert_eq!(apply(&leave, &packet.bytes()), Ok(leave.expected(&packet).bytes()), "{payload} bytes");
        }
        let (packet, leave) = unsummed(true, false, SUMMED_MAX + 1);
        assert_eq!(apply(&leave, &packet.bytes()), Err(Reason::NoChecksum));
    }

    #[test]
    fn ipv6_without_a_checksum_is_refused() {
        for is_v4 in [true, false] {
            let (packet, leave) = unsummed(false, is_v4, 12);
            assert_eq!(apply(&leave, &packet.bytes()), Err(Reason::NoChecksum));
        }
    }

    #[test]
    fn a_packet_with_no_time_left_to_live_goes_no_further() {
        for (ttl, step, lives) in [(0, 0, false), (1, 0, true), (0, 1, false), (1, 1, false), (2, 1, true)] {
            let (packet, leave) = unsummed(true, true, 12);
            let (packet, leave) = (Packet { ttl, ..packet }, Leave { ttl_step: step, ..leave });
            let result = apply(&leave, &packet.bytes()).map(|_| ());
            assert_eq!(result, if lives { Ok(()) } else { Err(Reason::TtlExpired) }, "{ttl} less {step}");
        }
    }

    #[test]
    fn the_way_out_carries_packets_up_to_its_size() {
        for (was_v4, is_v4) in [(true, true), (true, false)] {
            let ip_length = if is_v4 { IPV4 } else { IPV6 };
            for (more, fits) in [(0, true), (1, false)] {
                let (packet, leave) = unsummed(was_v4, is_v4, 100 + more);
                let leave = Leave { mtu: (ip_length + UDP + 100) as u16, ..leave };
                let result = apply(&leave, &packet.bytes()).map(|_| ());
                assert_eq!(result, if fits { Ok(()) } else { Err(Reason::TooBig) }, "IPv4 {is_v4}, {more} more");
            }
        }
    }
}
