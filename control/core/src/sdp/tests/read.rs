use super::{samples::*, *};

#[test]
fn a_pbx_is_read() {
    let line = line(PBX);
    assert_eq!((line.kind, line.transport), (MediaKind::Audio, Transport::RtpAvp));
    assert_eq!((line.port, line.port_count), (14962, 1));
    assert_eq!(line.destination, Some(socket("198.51.100.20:14962")));
    assert_eq!(line.rtcp, Some(socket("198.51.100.20:14963")));
    assert_eq!((line.rtcp_mux, line.ptime_ms), (false, Some(20)));
    assert_eq!((line.direction, line.receives()), (Direction::SendRecv, true));
    assert_eq!(line.telephone_event(), Some(101));
    let formats: Vec<_> = line.formats.iter().map(|format| (format.payload_type, format.codec)).collect();
    let codec = |name, clock_rate_hz| Some(Codec { name, clock_rate_hz, channels: 1 });
    assert_eq!(
        formats,
        [
            (Some(8), codec("PCMA", 8000)),
            (Some(0), codec("PCMU", 8000)),
            (Some(9), codec("G722", 8000)),
            (Some(3), codec("GSM", 8000)),
            (Some(101), codec("telephone-event", 8000)),
        ]
    );
}

#[test]
fn a_browser_is_read() {
    let sdp = parse(BROWSER.as_bytes());
    let [audio, video] = sdp.media() else { panic!("{:?}", sdp.media()) };
    assert_eq!((audio.kind, audio.transport), (MediaKind::Audio, Transport::DtlsSavpf));
    assert!(audio.transport.is_rtp() && audio.transport.is_encrypted_rtp() && audio.rtcp_mux);
    assert_eq!(audio.rtcp, Some(socket("0.0.0.0:9")));
    assert_eq!(audio.mid, Some(&b"0"[..]));
    assert_eq!(audio.formats[0].codec, Some(Codec { name: "opus", clock_rate_hz: 48_000, channels: 2 }));
    assert_eq!((video.kind, video.direction), (MediaKind::Video, Direction::SendOnly));
    assert!(!video.receives());
}

#[test]
fn dtmf_is_on_the_clock_of_the_first_codec() {
    assert_eq!(parse(BROWSER.as_bytes()).media()[0].telephone_event(), Some(110));
    let narrow = BROWSER.replace(" 111 63 9 0 8 ", " 8 ");
    assert_eq!(parse(narrow.as_bytes()).media()[0].telephone_event(), Some(126));
    let lone = "m=audio 4000 RTP/AVP 8 97\nc=IN IP4 192.0.2.1\na=rtpmap:97 Telephone-Event/16000\n";
    assert_eq!(line(lone).telephone_event(), Some(97));
    assert_eq!(line(V6).telephone_event(), None);
}

#[test]
fn a_rejected_line_has_no_destination() {
    let sdp = parse(FAX.as_bytes());
    let [audio, image] = sdp.media() else { panic!("{:?}", sdp.media()) };
    assert!(audio.is_rejected() && !audio.receives());
    assert_eq!((audio.destination, audio.rtcp), (None, None));
    assert_eq!((image.kind, image.transport, image.is_rejected()), (MediaKind::Image, Transport::Udptl, false));
    assert_eq!((image.destination, image.rtcp), (Some(socket("192.0.2.40:16384")), None));
    assert_eq!(image.formats[0].payload_type, None);
}

#[test]
fn a_line_may_be_rejected_without_address_and_formats() {
    assert!(line("m=audio 0 RTP/AVP\r\n").is_rejected());
}

#[test]
fn a_line_of_port_0_in_a_bundle_is_not_rejected() {
    let line = line("m=video 0 RTP/AVP 96\nc=IN IP4 192.0.2.1\na=bundle-only\n");
    assert!(line.bundle_only && !line.is_rejected());
    assert_eq!(line.destination, None);
}

#[test]
fn an_address_of_the_line_goes_before_that_of_the_session() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1\n";
    assert_eq!(line(body).destination, Some(socket("[2001:db8::1]:4000")));
}

#[test]
fn an_address_may_have_a_ttl_and_a_line_a_tab() {
    let body = "c=IN  IP4\t233.252.0.1/127/3 \nm=audio  4000/2\tRTP/AVP 0\n";
    assert_eq!((line(body).destination, line(body).port_count), (Some(socket("233.252.0.1:4000")), 2));
}

#[test]
fn what_is_no_internet_address_is_no_destination() {
    for connection in [
        "IN IP4 media.example.com",
        "IN IP4 2001:db8::1",
        "IN IP6 192.0.2.1",
        "ATM NSAP 47.0091",
        "IN IP4 \u{fc}",
        "IN IP4 192.0.2.01",
    ] {
        assert_eq!(line(&format!("m=audio 4000 RTP/AVP 0\nc={connection}\n")).destination, None, "{connection}");
    }
}

#[test]
fn a_name_that_never_resolves_is_the_null_address() {
    let line = line("m=audio 4000 RTP/AVP 0\nc=IN IP6 nowhere.INVALID\n");
    assert_eq!(line.destination, Some(socket("[::]:4000")));
    assert!(line.is_held_by_address() && !line.receives());
}

#[test]
fn the_direction_of_the_session_is_that_of_its_lines() {
    let body = "c=IN IP4 192.0.2.1\na=inactive\nm=audio 4000 RTP/AVP 0\nm=audio 4002 RTP/AVP 0\na=recvonly\n";
    let sdp = parse(body.as_bytes());
    let directions: Vec<_> = sdp.media().iter().map(|line| line.direction).collect();
    assert_eq!(directions, [Direction::Inactive, Direction::RecvOnly]);
    assert!(!sdp.media()[0].receives() && sdp.media()[1].receives() && !sdp.media()[1].direction.sends());
}

#[test]
fn hold_by_address_is_seen() {
    let line = line(HOLD);
    assert_eq!((line.destination, line.direction), (Some(socket("0.0.0.0:22334")), Direction::SendRecv));
    assert!(line.is_held_by_address() && !line.receives() && !line.is_rejected());
}

#[test]
fn rtcp_goes_where_its_attribute_says() {
    let sdp = parse(SDES.as_bytes());
    let rtcp: Vec<_> = sdp.media().iter().map(|line| line.rtcp).collect();
    assert_eq!(rtcp, [Some(socket("192.0.2.77:5065")), Some(socket("192.0.2.77:5067"))]);
    let elsewhere = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:5000 IN IP6 2001:db8::2\n";
    assert_eq!(line(elsewhere).rtcp, Some(socket("[2001:db8::2]:5000")));
    let last = "c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 0\n";
    assert_eq!(line(last).rtcp, None);
}

#[test]
fn a_payload_type_has_its_first_name() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0 96 97 98 128 x 18\n\
        a=rtpmap:0 odd/16000/2\na=rtpmap:0 PCMU/8000\na=rtpmap:96 broken\na=rtpmap:97 zero/0\na=rtpmap:300 x/8000\n";
    let names: Vec<_> = line(body).formats.iter().map(|format| format.codec.map(|codec| codec.name)).collect();
    assert_eq!(names, [Some("odd"), None, None, None, None, None, Some("G729")]);
}

#[test]
fn transports_are_told_apart() {
    let table = [
        ("RTP/AVP", Transport::RtpAvp),
        ("rtp/avpf", Transport::RtpAvpf),
        ("RTP/SAVP", Transport::RtpSavp),
        ("RTP/SAVPF", Transport::RtpSavpf),
        ("UDP/TLS/RTP/SAVP", Transport::DtlsSavp),
        ("UDP/TLS/RTP/SAVPF", Transport::DtlsSavpf),
        ("UDPTL", Transport::Udptl),
        ("udp", Transport::Udp),
        ("UDP/TLS/UDPTL", Transport::Udp),
        ("UDP/DTLS/SCTP", Transport::Udp),
        ("DTLS/SCTP", Transport::Udp),
        ("TCP/MSRP", Transport::Tcp),
        ("TCP/RTP/AVP", Transport::Tcp),
        ("H.320", Transport::Other),
    ];
    for (text, transport) in table {
        let line = line(&format!("c=IN IP4 192.0.2.1\nm=audio 4000 {text} 0\n")).transport;
        assert_eq!(line, transport, "{text}");
        assert_eq!(line.is_udp(), !matches!(line, Transport::Tcp | Transport::Other));
    }
}

#[test]
fn second_choices_of_addresses_are_seen() {
    let body = "a=group:ANAT 2 1\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=mid:1\n\
        m=audio 4002 RTP/AVP 0\na=mid:2\n\
        m=audio 4004 RTP/AVP 0\n";
    let sdp = parse(body.as_bytes());
    let seen: Vec<_> = sdp.media().iter().map(MediaLine::is_alternative).collect();
    assert_eq!(seen, [true, false, false]);
    let without_first = body.replace("audio 4002", "audio 0");
    assert!(parse(without_first.as_bytes()).media().iter().all(|line| !line.is_alternative()));
}

#[test]
fn what_cannot_be_read_is_told() {
    let table = [
        ("v=0\nnothing\n", SdpError::Line),
        ("v=0\n=x\n", SdpError::Line),
        (" v=0\n", SdpError::Line),
        ("s=a\rc=IN IP4 192.0.2.1\n", SdpError::Line),
        ("s=a\0b\n", SdpError::Line),
        ("m=audio 4000\n", SdpError::MediaLine),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP\n", SdpError::MediaLine),
        ("c=IN IP4 192.0.2.1\nm=audio 65536 RTP/AVP 0\n", SdpError::MediaLine),
        ("c=IN IP4 192.0.2.1\nm=audio +4000 RTP/AVP 0\n", SdpError::MediaLine),
        ("c=IN IP4 192.0.2.1\nm=audio 4000/0 RTP/AVP 0\n", SdpError::MediaLine),
        ("c=IN IP4 192.0.2.1\nm=audio 4000/1/1 RTP/AVP 0\n", SdpError::MediaLine),
        ("c=IN IP4\nm=audio 4000 RTP/AVP 0\n", SdpError::Connection),
        ("c=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.2\nm=audio 4000 RTP/AVP 0\n", SdpError::Connection),
        ("m=audio 4000 RTP/AVP 0\n", SdpError::NoConnection),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:\n", SdpError::Rtcp),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:70000\n", SdpError::Rtcp),
        ("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4001 IN IP4\n", SdpError::Rtcp),
    ];
    for (body, error) in table {
        assert_eq!(Sdp::parse(body.as_bytes()).err(), Some(error), "{}", body.escape_debug());
    }
}

#[test]
fn limits_are_reached_and_not_passed() {
    let media = |count| format!("c=IN IP4 192.0.2.1\n{}", "m=audio 4000 RTP/AVP 0\n".repeat(count));
    let lines = |count| "a=x\n".repeat(count);
    let formats = |count| format!("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP{}\n", " 0".repeat(count));
    let bytes = |count| format!("s={}", "x".repeat(count - 2));
    let table: [(&dyn Fn(usize) -> String, usize); 4] =
        [(&media, MEDIA_LINES_MAX), (&lines, LINES_MAX), (&formats, FORMATS_MAX), (&bytes, BODY_BYTES_MAX)];
    for (body, max) in table {
        assert!(Sdp::parse(body(max).as_bytes()).is_ok(), "{max}");
        assert_eq!(Sdp::parse(body(max + 1).as_bytes()).err(), Some(SdpError::TooLarge), "{max}");
    }
}

#[test]
fn blank_lines_and_what_ends_a_string_in_c_are_let_be() {
    assert_eq!(parse(b"").media().len(), 0);
    assert_eq!(parse(b"v=0\r\n\r\n \nx=\n\0").media().len(), 0);
}
