//! What comes to a media port beside RTP: RTCP, and what RFC 7983 tells from both.

use std::net::SocketAddr;

use undertone_dataplane::{Kind, PathChoice, Reason};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Endpoint, Packet, Stream},
};

use super::{
    bed::{Bed, Call, SOON, bind, bytes},
    on_every_path,
};

on_every_path!(
    rtcp_is_relayed_on_a_port_of_its_own,
    rtcp_is_relayed_among_rtp_and_changes_nothing_that_is_counted_of_it,
    what_is_not_media_is_for_user_space_and_for_no_party,
    a_handshake_beside_media_goes_from_party_to_party_and_from_no_stranger,
    datagrams_are_relayed_without_a_look,
);

const SSRC: u32 = 7;

fn rtcp_is_relayed_on_a_port_of_its_own(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let media = bed.call(family, port)?;
        let control = bed.call_of(Kind::Rtcp, family, port + 1)?;
        let (report, packet) = (sender_report(0), speech(1).remove(0));
        let wrong = bed.reason(Reason::WrongKind);
        // Each on the other's port goes nowhere.
        media.caller.send(&report, media.relay.a.local)?;
        control.caller.send(&packet, control.relay.a.local)?;
        media.exchange(&speech(20))?;
        control.exchange(&(0..20).map(sender_report).collect::<Vec<_>>())?;
        bed.wait_for_reason(Reason::WrongKind, wrong + 2)?;
        let counted = |call: &Call| Ok(bed.wait_for_count(call.relay.a.local, 20)?.statistics);
        for statistics in [counted(&media)?, counted(&control)?] {
            assert_eq!((statistics.packets, statistics.invalid, statistics.lost), (20, 1, 0));
        }
        assert_eq!(counted(&control)?.payload_type, None, "no RTP");
    }
    Ok(())
}

fn rtcp_is_relayed_among_rtp_and_changes_nothing_that_is_counted_of_it(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call_of(Kind::RtpMux, family, port)?;
        let sent: Vec<_> = speech(40).into_iter().zip(0..).flat_map(|(rtp, at)| [rtp, sender_report(at)]).collect();
        call.exchange(&sent)?;
        for end in [&call.relay.a, &call.relay.b] {
            let statistics = bed.wait_for_count(end.local, 80)?.statistics;
            assert_eq!((statistics.packets, statistics.invalid), (80, 0));
            assert_eq!((statistics.lost, statistics.duplicates, statistics.reordered), (0, 0, 0));
            assert_eq!((statistics.ssrc, statistics.payload_type, statistics.ssrc_changes), (SSRC, Some(0), 0));
        }
    }
    Ok(())
}

fn what_is_not_media_is_for_user_space_and_for_no_party(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call_of(Kind::RtpMux, family, port)?;
        let at = call.relay.a.local;
        // Sockets are the data plane's own on the `io_uring` path.
        let user_space = match path {
            PathChoice::Sockets => None,
            _ => Some(Endpoint::bind(&bed.lab.appliance, at)?),
        };
        let stranger = bind(&bed.lab.monitor, family)?;
        let not_rtp = bed.reason(Reason::NotRtp);
        let mut sent: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        // ICE asks from addresses that no SDP has named.
        for from in [&call.caller, &stranger] {
            for datagram in not_media() {
                from.send(&datagram, at)?;
                sent.push((from.local(), datagram));
            }
        }
        bed.wait_for_reason(Reason::NotRtp, not_rtp + sent.len() as u64)?;
        if let Some(user_space) = user_space {
            let received = user_space.wait_for_packets(sent.len(), SOON)?;
            let mut received: Vec<_> = received.into_iter().map(|packet| (packet.from, packet.bytes)).collect();
            // Two interfaces have no order between them.
            received.sort();
            sent.sort();
            assert_eq!(received, sent);
        }
        let media = speech(5);
        media.iter().try_for_each(|packet| call.caller.send(packet, at))?;
        assert_eq!(bytes(&call.agent.wait_for_packets(media.len(), SOON)?), media, "media alone");
        let statistics = bed.wait_for_count(at, media.len() as u64)?.statistics;
        assert_eq!((statistics.packets, statistics.invalid, statistics.strangers), (media.len() as u64, 0, 0));
        assert_eq!(bed.reason(Reason::NotRtp), not_rtp + sent.len() as u64);
    }
    Ok(())
}

fn a_handshake_beside_media_goes_from_party_to_party_and_from_no_stranger(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call_of(Kind::DtlsSrtp, family, port)?;
        let keyed: Vec<_> = not_media().into_iter().chain(speech(20)).chain([sender_report(1)]).collect();
        call.exchange(&keyed)?;
        let stranger = bind(&bed.lab.monitor, family)?;
        not_media().iter().try_for_each(|datagram| stranger.send(datagram, call.relay.a.local))?;
        wait_for("strangers to be counted", SOON, || {
            let strangers = bed.plane.report(call.relay.a.local).map(|report| report.statistics.strangers);
            (strangers.ok() == Some(not_media().len() as u64)).then_some(())
        })?;
        for end in [&call.relay.a, &call.relay.b] {
            let statistics = bed.wait_for_count(end.local, keyed.len() as u64)?.statistics;
            assert_eq!((statistics.ssrc, statistics.payload_type, statistics.ssrc_changes), (SSRC, Some(0), 0));
            assert_eq!(
                (statistics.lost, statistics.duplicates, statistics.reordered, statistics.invalid),
                (0, 0, 0, 0)
            );
        }
        assert_eq!(bed.reason(Reason::NotRtp), 0);
    }
    Ok(())
}

fn datagrams_are_relayed_without_a_look(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let call = bed.call_of(Kind::Datagrams, family, port)?;
        // UDPTL begins with a sequence number (ITU-T T.38 §9), which looks like anything: here like RTP, and like none.
        let udptl = |number: u16| [number.to_be_bytes().as_slice(), &[6, 0xc0, 1, 0x80, 0, 0]].concat();
        let sent: Vec<_> = not_media().into_iter().chain([0, 1, 0x8000, 0x80c8, 0xffff].map(udptl)).collect();
        call.exchange(&sent)?;
        for end in [&call.relay.a, &call.relay.b] {
            let statistics = bed.wait_for_count(end.local, sent.len() as u64)?.statistics;
            assert_eq!((statistics.payload_type, statistics.lost, statistics.invalid), (None, 0, 0));
        }
    }
    Ok(())
}

/// One of each that shares a port with media: STUN, ZRTP, DTLS, TURN channels (RFC 7983), QUIC (RFC 9443).
fn not_media() -> Vec<Vec<u8>> {
    // A binding request, RFC 8489: a magic cookie, a transaction, no attributes.
    let stun = [[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42].as_slice(), &[9; 12]].concat();
    // The head of a record with a handshake, DTLS 1.2.
    let dtls = [[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4].as_slice(), &[1; 4]].concat();
    let beginning_with = |first: u8| [[first].as_slice(), &[0; 31]].concat();
    [stun, dtls].into_iter().chain([16, 64, 192].map(beginning_with)).collect()
}

/// A sender report without report blocks, RFC 3550, section 6.4.1, like no other.
fn sender_report(number: u32) -> Vec<u8> {
    const WORDS_BUT_ONE: [u8; 2] = [0, 6];
    let [ssrc, number] = [SSRC, number].map(u32::to_be_bytes);
    [[0x80, 200].as_slice(), &WORDS_BUT_ONE, &ssrc, &[0; 12], &number, &[0; 4]].concat()
}

fn speech(count: usize) -> Vec<Vec<u8>> {
    Stream::pcmu(SSRC).numbered(count).iter().map(Packet::to_bytes).collect()
}
