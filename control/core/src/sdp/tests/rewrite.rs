use super::{samples::*, *};

#[test]
fn a_pbx_gets_our_address_and_port_and_nothing_else_changes() {
    let new = rewritten(PBX, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(
        changes(PBX, &new),
        [
            "-c=IN IP4 198.51.100.20",
            "+c=IN IP4 192.0.2.10",
            "-m=audio 14962 RTP/AVP 8 0 9 3 101",
            "+m=audio 20000 RTP/AVP 8 0 9 3 101",
        ]
    );
}

#[test]
fn a_browser_loses_what_leads_around_us() {
    let new = rewritten(BROWSER, &[single("192.0.2.10", 20_000), single("192.0.2.10", 20_002)], RELAY);
    let kept: Vec<&str> = BROWSER
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("a=group") && !line.starts_with("a=candidate") && !line.starts_with("a=ice-"))
        .collect();
    let expected = kept.concat().replace("203.0.113.9\r", "192.0.2.10\r").replace("audio 54321", "audio 20000");
    let expected = expected.replace("video 54322", "video 20002");
    let expected = expected.replacen("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp:20000 IN IP4 192.0.2.10", 1);
    assert_eq!(new, expected.replacen("a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp:20002 IN IP4 192.0.2.10", 1));
}

#[test]
fn every_way_around_us_is_removed_at_both_levels() {
    let around = "a=ice-lite\na=ICE-Options:ice2\na=ice-ufrag:x\na=ice-pwd:y\na=ice-mismatch\na=ice-pacing:50\n\
        a=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\na=remote-candidates:1 192.0.2.1 4000\na=end-of-candidates\n\
        a=altc:1 IP6 2001:db8::1 4000\na=ccap:1 IN IP4 192.0.2.1\na=alt:1 1 : x y 192.0.2.1 4000\n\
        a=source-filter: incl IN IP4 * 192.0.2.1\na=bundle-only\na=group:BUNDLE 1\na=group:anat 1\n";
    let stays = "a=iced\na=group:LS 1\na=group:BUNDLED 1\na=icecream:1\na=candidates:1\n";
    let body = |extra: &str| format!("c=IN IP4 192.0.2.1\n{extra}m=audio 4000 RTP/AVP 0\n{extra}");
    let new = rewritten(&body(&[around, stays].concat()), &[pair("192.0.2.1", 4000)], RELAY);
    assert_eq!(new, body(stays));
}

#[test]
fn the_second_choice_of_an_address_is_refused_with_its_group() {
    let body = "a=group:ANAT 1 2\nm=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1\na=mid:1\n\
        m=audio 4002 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=mid:2\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000), pair("192.0.2.10", 20_002)], RELAY);
    assert_eq!(
        new,
        "m=audio 20000 RTP/AVP 0\nc=IN IP4 192.0.2.10\na=mid:1\nm=audio 0 RTP/AVP 0\nc=IN IP4 192.0.2.1\na=mid:2\n"
    );
}

#[test]
fn a_line_that_lives_in_a_bundle_alone_is_rejected_without_it() {
    let body = "c=IN IP4 192.0.2.1\na=group:BUNDLE a b\nm=audio 4000 RTP/AVP 0\nm=video 0 RTP/AVP 96\na=bundle-only\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000), pair("192.0.2.10", 20_002)], RELAY);
    assert_eq!(new, "c=IN IP4 192.0.2.10\nm=audio 20000 RTP/AVP 0\nm=video 0 RTP/AVP 96\n");
    assert!(parse(new.as_bytes()).media()[1].is_rejected());
}

#[test]
fn a_fax_keeps_its_dead_line_and_its_line_ends() {
    let new = rewritten(FAX, &[pair("192.0.2.10", 20_000), single("192.0.2.10", 20_002)], RELAY);
    assert_eq!(new, FAX.replace("c=IN IP4 192.0.2.40", "c=IN IP4 192.0.2.10").replace("16384", "20002"));
}

#[test]
fn keys_and_order_stay_where_a_phone_has_them() {
    let new = rewritten(SDES, &[pair("192.0.2.10", 20_000), pair("192.0.2.11", 20_002)], RELAY);
    let expected = SDES.replacen("c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.10", 1);
    let expected = expected.replacen("c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.11", 1);
    let expected = expected.replace("audio 5062", "audio 20000").replace("audio 5066", "audio 20002");
    assert_eq!(new, expected.replace("rtcp:5065", "rtcp:20001"));
}

#[test]
fn the_type_of_an_address_changes_with_it() {
    let new = rewritten(V6, &[pair("192.0.2.10", 20_000)], RELAY);
    let expected = V6.replace("=IN IP6 2001:db8:1::5", "=IN IP4 192.0.2.10").replace("audio 30000", "audio 20000");
    let expected = expected.replace("1 1 IN IP6 2001:db8:1::5", "1 1 IN IP4 192.0.2.10");
    assert_eq!(new, expected.replace("rtcp:30001 IN IP6 2001:db8:1::5", "rtcp:20001 IN IP4 192.0.2.10"));
    let new = rewritten(PBX, &[pair("2001:db8::10", 20_000)], RELAY);
    assert!(new.contains("\r\nc=IN IP6 2001:db8::10\r\n") && new.contains("o=- 1287391 1287391 IN IP6 2001:db8::10"));
}

#[test]
fn an_origin_that_is_reachable_or_no_address_stays() {
    let body =
        |origin: &str| format!("v=0\r\no={origin}\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
    for (origin, expected) in [
        ("- 1 2 IN IP4 192.0.2.1", "- 1 2 IN IP6 2001:db8::10"),
        ("-  1 2 in ip4  pbx.example ", "-  1 2 IN IP6 2001:db8::10 "),
        ("- 1 2 IN IP6 2001:db8::5", "- 1 2 IN IP6 2001:db8::5"),
        ("- 1 2 IN IP5 x", "- 1 2 IN IP5 x"),
        ("- 1 2 ATM IP4 x", "- 1 2 ATM IP4 x"),
        ("- 1 2 IN IP4", "- 1 2 IN IP4"),
        ("", ""),
    ] {
        let new = rewritten(&body(origin), &[pair("2001:db8::10", 20_000)], RELAY);
        assert_eq!(new.lines().nth(1), Some(&*format!("o={expected}")));
    }
    assert_eq!(rewritten(&body("- 1 2 IN IP6 ::1"), &[Treatment::Keep], RELAY), body("- 1 2 IN IP6 ::1"));
}

#[test]
fn a_null_address_stays_null_in_the_family_of_ours() {
    let new = rewritten(HOLD, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, HOLD.replace("22334", "20000"));
    let new = rewritten(HOLD, &[pair("2001:db8::10", 20_000)], RELAY);
    let expected = HOLD.replace("22334", "20000").replace("IP4 0.0.0.0", "IP6 ::");
    assert_eq!(new, expected.replace("IP4 192.0.2.9", "IP6 2001:db8::10"));
    let own = "m=audio 4000 RTP/AVP 0\nc=IN IP6 hold.invalid\na=rtcp:9 IN IP6 ::\n";
    let new = rewritten(own, &[pair("2001:db8::10", 20_000)], RELAY);
    assert_eq!(new, own.replace("4000", "20000").replace(":9 ", ":20001 "));
    let new = rewritten(own, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, "m=audio 20000 RTP/AVP 0\nc=IN IP4 0.0.0.0\na=rtcp:20001 IN IP4 0.0.0.0\n");
}

#[test]
fn rtcp_under_a_null_address_is_ours() {
    let body = "c=IN IP4 0.0.0.0\nm=audio 4000 RTP/AVP 0\na=rtcp:4001 IN IP4 192.0.2.1\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, "c=IN IP4 0.0.0.0\nm=audio 20000 RTP/AVP 0\na=rtcp:20001 IN IP4 192.0.2.10\n");
}

#[test]
fn a_line_that_is_kept_gets_the_address_that_it_had_from_the_session() {
    let new = rewritten(CHAT, &[pair("192.0.2.10", 20_000)], RELAY);
    let expected = CHAT.replace("c=IN IP4 192.0.2.50", "c=IN IP4 192.0.2.10").replace("4000", "20000");
    assert_eq!(new, expected.replace("i=chat\r\n", "i=chat\r\nc=IN IP4 192.0.2.50\r\n"));
}

#[test]
fn a_line_that_is_dead_gets_no_address() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nm=video 0 RTP/AVP 96\nm=video 4002 RTP/AVP 96\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000), Treatment::Keep, Treatment::Refuse], RELAY);
    assert_eq!(new, "c=IN IP4 192.0.2.10\nm=audio 20000 RTP/AVP 0\nm=video 0 RTP/AVP 96\nm=video 0 RTP/AVP 96\n");
}

#[test]
fn lines_on_different_addresses_of_ours_each_have_their_own() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 96\nb=AS:1\nm=video 4004 RTP/AVP 96";
    let anchors = [pair("192.0.2.10", 20_000), pair("2001:db8::10", 20_002), pair("192.0.2.11", 20_004)];
    assert_eq!(
        rewritten(body, &anchors, RELAY),
        "c=IN IP4 192.0.2.10\nm=audio 20000 RTP/AVP 0\nm=video 20002 RTP/AVP 96\nc=IN IP6 2001:db8::10\nb=AS:1\n\
            m=video 20004 RTP/AVP 96\nc=IN IP4 192.0.2.11"
    );
}

#[test]
fn the_session_has_our_address_also_where_no_line_takes_it() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, "c=IN IP4 192.0.2.10\nm=audio 20000 RTP/AVP 0\nc=IN IP4 192.0.2.10\n");
    let held = body.replacen("192.0.2.1", "0.0.0.0", 1);
    let new = rewritten(&held, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, "c=IN IP4 0.0.0.0\nm=audio 20000 RTP/AVP 0\nc=IN IP4 192.0.2.10\n");
}

#[test]
fn the_session_has_the_address_of_the_first_line_that_takes_it() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\nm=video 4002 RTP/AVP 96\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000), pair("192.0.2.11", 20_002)], RELAY);
    assert_eq!(new, "c=IN IP4 192.0.2.11\nm=audio 20000 RTP/AVP 0\nc=IN IP4 192.0.2.10\nm=video 20002 RTP/AVP 96\n");
}

#[test]
fn an_address_that_stands_twice_is_changed_twice() {
    let body = "m=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\n";
    let new = rewritten(body, &[pair("192.0.2.10", 20_000)], RELAY);
    assert_eq!(new, "m=audio 20000 RTP/AVP 0\nc=IN IP4 192.0.2.10\nc=IN IP4 192.0.2.10\n");
}

#[test]
fn a_count_of_one_stays_and_another_goes() {
    for (count, left) in [("/1", "/1"), ("/2", ""), ("", "")] {
        let body = format!("c=IN IP4 192.0.2.1\nm=audio 4000{count} RTP/AVP 0\n");
        let new = rewritten(&body, &[pair("192.0.2.10", 20_000)], RELAY);
        assert_eq!(new, format!("c=IN IP4 192.0.2.10\nm=audio 20000{left} RTP/AVP 0\n"));
    }
}

#[test]
fn a_port_for_rtcp_that_is_not_the_next_is_said() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nb=AS:1\na=sendrecv\nm=audio 4002 RTP/AVP 0\n";
    let anchor = |port, rtcp| Treatment::Anchor(Anchor { address: ip("192.0.2.1"), port, rtcp: Some(rtcp) });
    let new = rewritten(body, &[anchor(4000, 5001), anchor(4002, 4003)], RELAY);
    assert_eq!(
        new,
        "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nb=AS:1\na=rtcp:5001\na=sendrecv\nm=audio 4002 RTP/AVP 0\n"
    );
}

#[test]
fn a_port_for_rtcp_is_said_once_and_only_for_rtp() {
    let body = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtcp:4001\nm=image 4002 udptl t38\n";
    let anchor = |port| Treatment::Anchor(Anchor { address: ip("192.0.2.1"), port, rtcp: Some(5001) });
    assert_eq!(rewritten(body, &[anchor(4000), anchor(4002)], RELAY), body.replace("4001", "5001"));
}

#[test]
fn a_refused_line_has_port_0_and_keeps_all_else() {
    let new = rewritten(BROWSER, &[Treatment::Keep, Treatment::Refuse], Options::default());
    assert_eq!(new, BROWSER.replace("video 54322", "video 0"));
}

#[test]
fn codecs_that_are_not_allowed_leave_with_their_attributes() {
    let options = Options { codecs: Some(&["PCMA", "g722"]), ..Options::default() };
    assert_eq!(
        changes(PBX, &rewritten(PBX, &[], options)),
        [
            "-m=audio 14962 RTP/AVP 8 0 9 3 101",
            "+m=audio 14962 RTP/AVP 8 9 101",
            "-a=rtpmap:0 PCMU/8000",
            "-a=rtpmap:3 GSM/8000",
        ]
    );
    assert_eq!(
        changes(BROWSER, &rewritten(BROWSER, &[], options)),
        [
            "-m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
            "+m=audio 54321 UDP/TLS/RTP/SAVPF 9 8 13 110 126",
            "-a=rtpmap:111 opus/48000/2",
            "-a=rtcp-fb:111 transport-cc",
            "-a=fmtp:111 minptime=10;useinbandfec=1",
            "-a=rtpmap:63 red/48000/2",
            "-a=fmtp:63 111/111",
            "-a=rtpmap:0 PCMU/8000",
        ]
    );
}

#[test]
fn a_line_that_no_allowed_codec_is_left_of_is_refused() {
    let options = Options { codecs: Some(&["G729"]), ..RELAY };
    assert!(!line(PBX).has_any_of(&["G729"]));
    let new = rewritten(PBX, &[pair("192.0.2.10", 20_000)], options);
    assert_eq!(new, PBX.replace("m=audio 14962", "m=audio 0"));
    let companions = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 13 101\na=rtpmap:101 telephone-event/8000\n";
    assert_eq!(rewritten(companions, &[], options), companions.replace("4000", "0"));
    let options = Options { codecs: Some(&["G729", "CN", "telephone-event"]), ..RELAY };
    assert_eq!(rewritten(companions, &[], options), companions.replace("4000", "0"));
}

#[test]
fn lists_of_codecs_are_about_speech() {
    let options = Options { codecs: Some(&[]), ..Options::default() };
    let expected = BROWSER.replace("m=audio 54321", "m=audio 0");
    assert_eq!(rewritten(BROWSER, &[], options), expected);
    assert_eq!(rewritten(FAX, &[], options), FAX);
}

#[test]
fn treatments_beyond_the_lines_are_let_be_and_lines_beyond_them_kept() {
    assert_eq!(rewritten(PBX, &[Treatment::Keep; 40], RELAY), PBX);
    assert_eq!(rewritten(PBX, &[], RELAY), PBX);
}

#[test]
fn text_of_any_encoding_passes() {
    let latin = all().pop().expect("a sample");
    let new = parse(&latin).rewrite(&[pair("192.0.2.10", 20_000)], &RELAY);
    let expected: Vec<u8> = latin.escape_ascii().collect();
    let expected = String::from_utf8(expected).expect("ASCII");
    let expected = expected.replace("c=IN IP4 192.0.2.3", "c=IN IP4 192.0.2.10").replace("8000", "20000");
    assert_eq!(new.escape_ascii().to_string(), expected);
}
