//! Offers and answers of calls of our own.

use undertone_core::{
    Policy,
    mixer::{Codec, SampleRate},
};

use super::{session::Manner, *};
use crate::sdp::Sdp;

const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
const OURS: &[IpAddr] = &[IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 10))];
const MANNER: Manner<'static> = Manner { learn: Policy::Latch, dscp: None, ours: OURS };

fn session(codecs: &[Codec]) -> Session {
    Session::new(0x2a << 2, "192.0.2.10:20000".parse().expect("an address"), codecs.to_vec(), Order::Theirs)
}

/// A description of a phone's: what stands behind the `c=`.
fn sdp(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("v=0\r\no=phone 1 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n{lines}")
}

fn answer(session: &mut Session, offer: &str) -> String {
    let answer = session.answer(offer.as_bytes(), &MANNER).unwrap_or_else(|why| panic!("{why}: {offer}"));
    assert_eq!(Sdp::parse(&answer).map(|it| it.media().len()), Ok(Sdp::parse(offer.as_bytes()).unwrap().media().len()));
    String::from_utf8(answer).expect("text")
}

fn refusal(offer: &str) -> Unacceptable {
    let mut session = session(&ALL);
    let before = session.clone();
    let why = session.answer(offer.as_bytes(), &MANNER).expect_err(offer);
    assert_eq!(session, before, "a refused offer changes nothing");
    why
}

fn leg(session: &Session) -> MediaLeg {
    *session.agreed().expect("it was agreed on")
}

#[test]
fn an_offer_is_answered_with_its_first_codec_that_we_speak_and_what_goes_with_it() {
    let mut session = session(&ALL);
    let offer = sdp(&[
        "m=audio 6000 RTP/AVP 18 107 8 13 101 96",
        "a=rtpmap:107 opus/48000/2",
        "a=fmtp:107 maxplaybackrate=16000; useinbandfec=1;usedtx=1;maxaveragebitrate=20000;cbr=0",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:96 telephone-event/48000",
        "a=fmtp:96 0-16",
    ]);
    assert_eq!(
        answer(&mut session, &offer),
        "v=0\r\no=undertone 42 1 IN IP4 192.0.2.10\r\ns=Undertone\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 107 96\r\na=rtpmap:107 opus/48000/2\r\na=fmtp:107 useinbandfec=1\r\n\
         a=rtpmap:96 telephone-event/48000\r\na=fmtp:96 0-15\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n"
    );
    let leg = leg(&session);
    assert_eq!(
        (leg.format, leg.format),
        (
            leg.arriving,
            undertone_core::mixer::Format {
                codec: Codec::Opus,
                payload_type: 107,
                telephone_event: Some(96),
                comfort_noise: None,
                packet_ms: 20,
            }
        )
    );
    let opus = OpusWishes {
        inband_fec: true,
        dtx: true,
        bitrate_max: Some(20_000),
        playback_hz: 16_000,
        ..OpusWishes::default()
    };
    assert_eq!(leg.opus, opus);
    assert_eq!(leg.remote, Some("203.0.113.7:6000".parse().unwrap()));
    assert_eq!(leg.remote_rtcp, Some("203.0.113.7:6001".parse().unwrap()));
    assert_eq!((leg.sends, leg.receives, leg.rtcp_mux, leg.learn), (true, true, false, Policy::Latch));
}

#[test]
fn narrow_codecs_get_comfort_noise_and_events_of_their_clock() {
    let mut session = session(&[Codec::Pcma, Codec::L16(SampleRate::Hz16000)]);
    let offer = sdp(&[
        "m=audio 6000 RTP/AVP 0 8 13 100 101",
        "a=rtpmap:100 telephone-event/48000",
        "a=rtpmap:101 telephone-event/8000",
    ]);
    assert!(answer(&mut session, &offer).contains("\r\nm=audio 20000 RTP/AVP 8 13 101\r\n"));
    assert_eq!((leg(&session).format.comfort_noise, leg(&session).format.telephone_event), (Some(13), Some(101)));
    // Of another clock than the codec's, events are better than none; comfort noise is not.
    let offer = sdp(&["m=audio 6000 RTP/AVP 97 13 101", "a=rtpmap:97 L16/16000", "a=rtpmap:101 telephone-event/8000"]);
    assert!(answer(&mut session, &offer).contains("\r\nm=audio 20000 RTP/AVP 97 101\r\n"));
}

#[test]
fn whose_order_decides_is_to_be_had() {
    let offer = sdp(&["m=audio 6000 RTP/AVP 8 0 9"]);
    let codec = |order| {
        let mut session = Session { order, ..session(&[Codec::G722, Codec::Pcmu]) };
        answer(&mut session, &offer);
        leg(&session).format.codec
    };
    assert_eq!((codec(Order::Theirs), codec(Order::Ours)), (Codec::Pcmu, Codec::G722));
}

#[test]
fn packets_are_as_long_as_is_asked_for_and_taken() {
    let packet_ms = |codec: &str, lines: &[&str]| {
        let mut session = session(&ALL);
        let lines = [&[codec, "a=rtpmap:107 opus/48000/2"], lines].concat();
        answer(&mut session, &sdp(&lines));
        leg(&session).format.packet_ms
    };
    let (pcmu, opus) = ("m=audio 6000 RTP/AVP 0", "m=audio 6000 RTP/AVP 107");
    for (lines, expected) in [
        (&[][..], 20),
        (&["a=ptime:30"], 30),
        (&["a=ptime: 10 "], 10),
        (&["a=ptime:60"], 60),
        (&["a=ptime:200"], 60),
        (&["a=ptime:1"], 10),
        (&["a=ptime:25"], 20),
        (&["a=ptime:0"], 20),
        (&["a=maxptime:10"], 10),
        (&["a=ptime:40", "a=maxptime:30"], 30),
        (&["a=maxptime:3"], 10),
        (&["a=maxptime:much"], 20),
    ] {
        assert_eq!(packet_ms(pcmu, lines), expected, "{lines:?}");
    }
    assert_eq!((packet_ms(opus, &["a=ptime:30"]), packet_ms(opus, &["a=ptime:50"])), (20, 40), "frames of Opus");
    let linear = SampleRate::ALL.map(|rate| {
        let mut session = session(&[Codec::L16(rate)]);
        let codec = format!("a=rtpmap:108 L16/{}", rate.hz());
        answer(&mut session, &sdp(&["m=audio 6000 RTP/AVP 108", &codec, "a=ptime:60"]));
        leg(&session).format.packet_ms
    });
    assert_eq!(linear, [60, 40, 10], "what a network takes in one piece");
}

#[test]
fn other_lines_are_rejected_where_they_stand() {
    let mut session = session(&ALL);
    let offer = sdp(&[
        "m=video 7000 RTP/AVP 99 100",
        "a=rtpmap:99 H264/90000",
        "m=audio 0 RTP/AVP 0",
        "m=audio 6002 RTP/SAVP 0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "m=audio 6000/1 RTP/AVPF 0",
        "a=candidate:1 1 UDP 2130706431 10.0.0.1 6000 typ host",
        "a=ice-ufrag:x",
        "a=rtcp-mux",
        "a=rtcp:6009 IN IP4 203.0.113.9",
        "m=application 7002 UDP/BFCP *",
    ]);
    let answer = answer(&mut session, &offer);
    let media: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        media,
        [
            "m=video 0 RTP/AVP 99",
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVPF 0",
            "m=application 0 UDP/BFCP *",
        ]
    );
    assert!(answer.contains("a=rtcp-mux\r\n") && !answer.contains("ice") && !answer.contains("candidate"));
    assert_eq!((leg(&session).rtcp_mux, leg(&session).remote_rtcp), (true, leg(&session).remote));
    // What we offer later has the same lines in the same places (RFC 3264 §8).
    let offer = String::from_utf8(session.offer(Extent::All)).expect("text");
    let media: Vec<_> = offer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        (media.len(), media[0], media[3].starts_with("m=audio 20000 RTP/AVPF 0 8 9 96 ")),
        (5, "m=video 0 RTP/AVP 99", true)
    );
}

#[test]
fn rtcp_goes_where_it_is_wanted() {
    let mut session = session(&ALL);
    answer(&mut session, &sdp(&["m=audio 6000 RTP/AVP 0", "a=rtcp:6009 IN IP4 203.0.113.9"]));
    assert_eq!(leg(&session).remote_rtcp, Some("203.0.113.9:6009".parse().unwrap()));
}

#[test]
fn directions_are_mirrored() {
    for (theirs, ours, sends, receives) in [
        ("a=sendrecv", "a=sendrecv", true, true),
        ("a=sendonly", "a=recvonly", false, true),
        ("a=recvonly", "a=sendonly", true, false),
        ("a=inactive", "a=inactive", false, false),
        ("c=IN IP4 0.0.0.0", "a=recvonly", false, true),
    ] {
        let mut session = session(&ALL);
        answer(&mut session, &sdp(&["m=audio 6000 RTP/AVP 0"]));
        let answer = answer(&mut session, &sdp(&["m=audio 6000 RTP/AVP 0", theirs]));
        assert!(answer.ends_with(&format!("{ours}\r\n")), "{theirs}: {answer}");
        assert_eq!((leg(&session).sends, leg(&session).receives), (sends, receives), "{theirs}");
        assert_eq!(leg(&session).remote, Some("203.0.113.7:6000".parse().unwrap()), "{theirs}: it is where it was");
    }
}

#[test]
fn the_version_rises_with_every_other_description_and_only_then() {
    let mut session = session(&ALL);
    let offer = sdp(&["m=audio 6000 RTP/AVP 0"]);
    let version = |answer: &str| answer.lines().nth(1).and_then(|origin| origin.split(' ').nth(2)).map(str::to_owned);
    assert_eq!(version(&answer(&mut session, &offer)).as_deref(), Some("1"));
    assert_eq!(
        version(&answer(&mut session, &offer.replace("6000", "6010"))).as_deref(),
        Some("1"),
        "ours is the same"
    );
    assert_eq!(version(&answer(&mut session, &offer.replace("AVP 0", "AVP 8"))).as_deref(), Some("2"));
    let ours = String::from_utf8(session.offer(Extent::Agreed)).expect("text");
    assert_eq!(version(&ours).as_deref(), Some("2"), "{ours}");
}

#[test]
fn what_cannot_be_is_refused_with_a_reason_that_says_what_may_be_done() {
    let refused = |lines: &[&str]| {
        let why = refusal(&sdp(lines));
        (why.code(), why.to_string())
    };
    let (code, why) = refused(&["m=audio 6000 RTP/SAVP 0", "m=audio 6002 UDP/TLS/RTP/SAVPF 0"]);
    assert_eq!((code, why.contains("SRTP alone")), (302, true));
    assert_eq!(refused(&["m=audio 6000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"]).0, 305);
    assert_eq!(refused(&["m=audio 6000 RTP/AVP 13"]).0, 305, "comfort noise is no sound");
    for lines in [&["m=video 6000 RTP/AVP 99"][..], &["m=audio 0 RTP/AVP 0"], &["m=image 6000 udptl t38"], &[]] {
        assert_eq!(refused(lines).0, 304, "{lines:?}");
    }
    for (line, why) in [
        ("c=IN IP4 192.0.2.10", "an address of this element"),
        ("c=IN IP4 224.0.0.1", "not that of a host"),
        ("c=IN IP4 127.0.0.1", "cannot be reached"),
        ("c=IN IP4 phone.example", "not an IP address"),
    ] {
        let (code, text) = refused(&["m=audio 6000 RTP/AVP 0", line]);
        assert_eq!((code, text.contains(why)), (399, true), "{line}: {text}");
    }
    for broken in ["m=audio", "nothing", "v=0\r\nm=audio x RTP/AVP 0\r\n", "v=0\r\nm=audio 6000 RTP/AVP 0\r\n"] {
        assert!(matches!(refusal(broken), Unacceptable::Description(_)), "{broken:?}");
    }
    // A line that can be is taken, whatever stands beside it.
    let mut session = session(&ALL);
    let offer = sdp(&["m=audio 6000 RTP/AVP 18", "m=audio 6002 RTP/AVP 0", "m=audio 6004 RTP/AVP 8"]);
    assert!(answer(&mut session, &offer).contains("m=audio 0 RTP/AVP 18\r\nm=audio 20000 RTP/AVP 0\r\n"));
}

#[test]
fn an_offer_of_ours_has_all_that_we_speak_and_the_first_that_is_answered_is_taken() {
    let codecs = [Codec::Opus, Codec::Pcmu, Codec::L16(SampleRate::Hz16000)];
    let mut ours = session(&codecs);
    assert_eq!(
        String::from_utf8(ours.offer(Extent::All)).expect("text"),
        "v=0\r\no=undertone 42 1 IN IP4 192.0.2.10\r\ns=Undertone\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 96 0 97 98 101 99\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:97 L16/16000\r\na=rtpmap:98 telephone-event/48000\r\na=fmtp:98 0-15\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:99 telephone-event/16000\r\na=fmtp:99 0-15\r\n\
         a=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n"
    );
    let taken = sdp(&[
        "m=audio 6000 RTP/AVP 0 96 101",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
        "a=ptime:30",
        "a=recvonly",
    ]);
    assert_eq!(ours.take_answer(taken.as_bytes(), &MANNER), Ok(()));
    let leg = leg(&ours);
    assert_eq!(
        (leg.format.codec, leg.format.payload_type, leg.format.telephone_event, leg.format.packet_ms),
        (Codec::Pcmu, 0, Some(101), 30)
    );
    assert_eq!((leg.sends, leg.receives, leg.arriving), (true, false, leg.format));
    assert!(!ours.is_offered());
}

#[test]
fn an_answer_may_have_other_numbers_or_say_nothing_of_them() {
    let mut ours = session(&[Codec::Opus, Codec::Pcmu]);
    ours.offer(Extent::All);
    let other =
        sdp(&["m=audio 6000 RTP/AVP 120 121", "a=rtpmap:120 OPUS/48000/2", "a=rtpmap:121 telephone-event/48000"]);
    assert_eq!(ours.take_answer(other.as_bytes(), &MANNER), Ok(()));
    let both = leg(&ours);
    assert_eq!((both.format.payload_type, both.format.telephone_event), (120, Some(121)));
    assert_eq!((both.arriving.payload_type, both.arriving.telephone_event), (96, Some(97)));
    ours.offer(Extent::All);
    assert_eq!(ours.take_answer(sdp(&["m=audio 6000 RTP/AVP 96"]).as_bytes(), &MANNER), Ok(()));
    assert_eq!((leg(&ours).format.codec, leg(&ours).format.payload_type), (Codec::Opus, 96));
}

#[test]
fn an_answer_that_takes_nothing_leaves_what_was() {
    let mut ours = session(&ALL);
    ours.offer(Extent::All);
    let line = |line: &str| sdp(&[line]);
    assert_eq!(ours.take_answer(line("m=audio 0 RTP/AVP 0").as_bytes(), &MANNER), Err(Unacceptable::Rejected));
    assert_eq!(
        ours.take_answer(line("m=audio 6000 RTP/AVP 0").as_bytes(), &MANNER),
        Err(Unacceptable::Missing),
        "twice"
    );
    ours.offer(Extent::All);
    assert_eq!(ours.take_answer(line("m=audio 6000 RTP/SAVP 0").as_bytes(), &MANNER), Err(Unacceptable::Encrypted));
    ours.offer(Extent::All);
    assert_eq!(ours.take_answer(line("m=audio 6000 RTP/AVP 18").as_bytes(), &MANNER), Err(Unacceptable::NoCodec));
    assert_eq!(ours.agreed(), None);
    answer(&mut ours, &line("m=audio 6000 RTP/AVP 8"));
    let before = leg(&ours);
    ours.offer(Extent::All);
    assert_eq!(ours.take_answer(b"v=0\r\n", &MANNER), Err(Unacceptable::Rejected));
    assert_eq!(leg(&ours), before);
}

#[test]
fn a_number_stands_for_the_same_as_long_as_the_session_lasts() {
    let mut ours = session(&[Codec::Pcmu, Codec::Opus]);
    let offer = sdp(&["m=audio 6000 RTP/AVP 97 96", "a=rtpmap:97 opus/48000/2", "a=rtpmap:96 telephone-event/48000"]);
    answer(&mut ours, &offer);
    let all = String::from_utf8(ours.offer(Extent::All)).expect("text");
    assert!(all.contains("m=audio 20000 RTP/AVP 97 0 96 101\r\n"), "{all}");
    let agreed = String::from_utf8(ours.offer(Extent::Agreed)).expect("text");
    assert!(agreed.contains("m=audio 20000 RTP/AVP 97 96\r\n"), "{agreed}");
    let mut ours = session(&[Codec::Opus]);
    answer(&mut ours, &offer.replace("telephone-event/48000", "telephone-event/8000"));
    for extent in [Extent::All, Extent::Agreed] {
        let offer = String::from_utf8(ours.offer(extent)).expect("text");
        assert!(offer.contains("a=rtpmap:96 telephone-event/8000\r\n"), "of a clock that is not the codec's: {offer}");
    }
}

#[test]
fn no_description_makes_a_session_panic() {
    let seeds = [
        sdp(&["m=audio 6000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:20", "a=sendonly"]),
        sdp(&[
            "m=video 1 x y",
            "m=audio 6000/2 RTP/AVP 107",
            "a=rtpmap:107 opus/48000/2",
            "a=fmtp:107 x=;=;useinbandfec",
        ]),
    ];
    for seed in &seeds {
        for at in 0..seed.len() {
            for byte in [0, b'\n', b' ', b':', b'9', 0xff] {
                let mut bytes = seed.clone().into_bytes();
                bytes[at] = byte;
                let mut ours = session(&ALL);
                let _ = ours.answer(&bytes, &MANNER);
                ours.offer(Extent::All);
                let _ = ours.take_answer(&bytes, &MANNER);
            }
            let _ = session(&ALL).answer(&seed.as_bytes()[..at], &MANNER);
        }
    }
}
