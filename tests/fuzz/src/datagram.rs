//! Reading headers, beside somebody else who reads them.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use rtp_rs::RtpReader;
use undertone_abi::{Kind, Reason};
use undertone_wire::{Buffer, Datagram, Media};

/// Reads a frame down to its media.
///
/// What is found is where others find it, and what is refused is none to others either, or is refused on purpose.
pub fn datagram(frame: &[u8]) {
    let buffer = Buffer::new(0, frame);
    let packet = SlicedPacket::from_ethernet(frame).ok();
    match Datagram::parse(&buffer) {
        Ok(datagram) => {
            if let Some(length) = datagram.payload_length() {
                compare(frame, &datagram, packet.as_ref());
                media(&buffer, datagram.payload(), length);
            }
        }
        Err(reason) => {
            let refused_well = packet.is_none_or(|packet| is_out_of_scope(&packet, reason));
            assert!(refused_well, "{reason:?}, and yet it is a datagram");
        }
    }
}

fn compare(frame: &[u8], datagram: &Datagram, packet: Option<&SlicedPacket<'_>>) {
    let packet = packet.expect("a frame to others too");
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("no UDP to others") };
    let is_v4 = matches!(packet.net, Some(NetSlice::Ipv4(_)));
    let offset = udp.slice().as_ptr() as usize - frame.as_ptr() as usize;
    assert_eq!((datagram.is_v4(), datagram.udp(), datagram.udp_length), (is_v4, offset, udp.slice().len()));
    assert_eq!((datagram.source.port, datagram.destination.port), (udp.source_port(), udp.destination_port()));
}

/// Whether `packet` is one that the data plane leaves to the kernel for this `reason`.
fn is_out_of_scope(packet: &SlicedPacket<'_>, reason: Reason) -> bool {
    if !matches!(packet.transport, Some(TransportSlice::Udp(_))) {
        return true;
    }
    let is_plain = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => ip.header().options().is_empty() && ip.extensions().auth.is_none(),
        Some(NetSlice::Ipv6(ip)) => ip.extensions().slice().is_empty(),
        _ => false,
    };
    match reason {
        // Three tags or more, tags of other types, MACsec.
        Reason::NotIp => !packet.link_exts.is_empty(),
        Reason::NotUdp | Reason::Options | Reason::Fragment => !is_plain,
        // An IPv4-mapped address.
        Reason::NotMedia => matches!(packet.net, Some(NetSlice::Ipv6(_))),
        _ => false,
    }
}

fn media(buffer: &Buffer, offset: usize, length: usize) {
    for kind in [Kind::Free].into_iter().chain(Kind::ALL) {
        if let Ok(Media::Rtp(rtp)) = Media::parse(buffer, offset, length, kind) {
            assert!(kind.has_rtp(), "RTP on a port for {kind:?}");
            let other = RtpReader::new(&buffer.bytes()[offset..offset + length]).expect("RTP to others too");
            let number: u16 = other.sequence_number().into();
            assert_eq!((rtp.payload_type, rtp.sequence), (other.payload_type(), number));
            assert_eq!((rtp.timestamp, rtp.ssrc), (other.timestamp(), other.ssrc()));
        }
    }
}
