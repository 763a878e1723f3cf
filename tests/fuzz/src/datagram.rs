//! Any frame is read as somebody else reads it.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use undertone_abi::Kind;
use undertone_wire::{Datagram, Media};

use super::frame::Buffer;

/// A frame, behind one byte that says what its port carries.
pub fn datagram(data: &[u8]) {
    let Some((kind, frame)) = data.split_first() else { return };
    let kind = [Kind::Free, Kind::Rtp, Kind::RtpMux, Kind::Rtcp][usize::from(kind & 3)];
    let buffer = Buffer::new(frame);
    let Ok(datagram) = Datagram::parse(&buffer) else { return };
    let Some(length) = datagram.payload_length() else { return };
    assert!(datagram.payload() + length <= frame.len(), "the payload lies within the frame");
    let _ = Media::parse(&buffer, datagram.payload(), length, kind);
    assert!(agrees(frame, &datagram), "{datagram:?}");
}

/// Whether etherparse finds a UDP datagram of the same length at the same place.
fn agrees(frame: &[u8], datagram: &Datagram) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    let Some(TransportSlice::Udp(udp)) = packet.transport else { return false };
    let is_v4 = matches!(packet.net, Some(NetSlice::Ipv4(_)));
    let offset = udp.slice().as_ptr() as usize - frame.as_ptr() as usize;
    (is_v4, offset, udp.slice().len(), udp.source_port(), udp.destination_port())
        == (datagram.is_v4(), datagram.udp(), datagram.udp_length, datagram.source.port, datagram.destination.port)
}
