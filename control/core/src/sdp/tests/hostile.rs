//! Cut, flipped and made-up bytes: never a panic, never a byte lost, and media goes where we said.

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, RngSeed},
};

use super::*;

fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x5d9),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Where each live line leads after every line was anchored: where it should.
fn assert_anchored(body: &[u8], addresses: &[IpAddr]) {
    let Ok(sdp) = Sdp::parse(body) else { return };
    let anchors: Vec<Anchor> = (20_000..)
        .step_by(2)
        .zip(addresses.iter().cycle())
        .take(sdp.media().len())
        .map(|(port, address)| Anchor { address: *address, port, rtcp: Some(port + 1) })
        .collect();
    let treatments: Vec<Treatment> = anchors.iter().copied().map(Treatment::Anchor).collect();
    let new = sdp.rewrite(&treatments, &RELAY);
    let again = Sdp::parse(&new).unwrap_or_else(|error| panic!("{error}: {}", new.escape_ascii()));
    assert_eq!(again.media().len(), sdp.media().len());
    for ((old, new), anchor) in sdp.media().iter().zip(again.media()).zip(&anchors) {
        let address = match anchor.address {
            address if !old.is_held_by_address() => address,
            IpAddr::V4(_) => ip("0.0.0.0"),
            IpAddr::V6(_) => ip("::"),
        };
        let is_live = old.port != 0 && !old.is_alternative();
        assert_eq!(new.destination, is_live.then(|| SocketAddr::new(address, anchor.port)));
        if is_live && old.transport.is_rtp() {
            assert_eq!(new.rtcp.map(|rtcp| rtcp.port()), anchor.rtcp);
        }
        assert_eq!((new.kind, new.transport, new.direction), (old.kind, old.transport, old.direction));
        assert_eq!(new.formats.len(), old.formats.len());
    }
    // What is ours already stays as it is.
    assert_eq!(again.rewrite(&treatments, &RELAY), new);
}

fn assert_lossless(body: &[u8]) {
    let Ok(sdp) = Sdp::parse(body) else { return };
    assert_eq!(sdp.rewrite(&[], &Options::default()), body);
    assert_eq!(sdp.rewrite(&[Treatment::Keep; MEDIA_LINES_MAX], &Options::default()), body);
}

fn assert_treated(body: &[u8]) {
    assert_lossless(body);
    let v4_and_v6 = ["192.0.2.10", "2001:db8::10"].map(ip);
    assert_anchored(body, &v4_and_v6);
    assert_anchored(body, &v4_and_v6[..1]);
    assert_anchored(body, &v4_and_v6[1..]);
    if let Ok(sdp) = Sdp::parse(body) {
        let filtered = sdp.rewrite(&[], &Options { codecs: Some(&["PCMA"]), ..RELAY });
        let filtered = Sdp::parse(&filtered).expect("what was read can be read");
        assert!(filtered.media().iter().all(|line| line.port == 0 || line.has_any_of(&["PCMA"])));
        for line in sdp.media() {
            let _ = (crate::sdp::policy::check_line(line, &v4_and_v6), line.telephone_event());
        }
    }
}

#[test]
fn every_sample_is_treated() {
    for sample in samples::all() {
        assert!(Sdp::parse(&sample).is_ok());
        assert_treated(&sample);
    }
}

#[test]
fn a_sample_cut_anywhere_is_treated_or_refused() {
    for sample in samples::all() {
        for end in 0..=sample.len() {
            assert_treated(&sample[..end]);
        }
    }
}

/// Bytes, and words that mean something.
fn words() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 28] = [
        "v=0\r\n",
        "c=IN IP4 192.0.2.1\r\n",
        "c=IN IP6 ::\n",
        "c=IN IP4 0.0.0.0\n",
        "c=IN IP4 a.invalid\n",
        "c=",
        "m=audio 4000 RTP/AVP 0 8 101\r\n",
        "m=audio 4000/1 RTP/AVP 0",
        "m=video 4002/3 RTP/SAVPF 96\n",
        "m=image 4004 udptl t38\r\n",
        "m=message 4006 TCP/MSRP *\n",
        "m=audio 0 RTP/AVP 8\r\n",
        "i=x\r\n",
        "b=AS:1\n",
        "a=rtcp:4001\r\n",
        "a=rtcp:9 IN IP4 0.0.0.0\n",
        "a=rtcp-mux\n",
        "a=bundle-only\r\n",
        "a=group:ANAT 1 2\n",
        "a=mid:1\n",
        "a=mid:2\r\n",
        "a=ice-lite\r\n",
        "a=candidate:1",
        "\r\n",
        "\n",
        " ",
        "a=rtpmap:0 PCMA/8000\n",
        "a=inactive\n",
    ];
    let word = prop_oneof![
        20 => prop::sample::select(&WORDS[..]).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(seeded(2000))]

    #[test]
    fn a_sample_with_flipped_bits_is_treated_or_refused(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
    ) {
        let mut sample = which.get(&samples::all()).clone();
        for (at, bit) in flips {
            *at.get_mut(&mut sample) ^= 1 << bit;
        }
        assert_treated(&sample);
    }

    #[test]
    fn words_in_any_order_are_treated_or_refused(body in words()) {
        assert_treated(&body);
    }

    #[test]
    fn bytes_are_treated_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_treated(&body);
    }

    #[test]
    fn bodies_in_parts_lose_nothing(
        content_type in "(multipart/mixed|application/sdp)?[;= \"\\\\a-c]{0,8}(;boundary=\"?b\"?)?",
        pieces in prop::collection::vec(prop::sample::select(&[
            "--b", "--b--", "\r\n", "\n", "Content-Type: application/sdp\r\n", "Content-Length: 5\r\n", "\r\n\r\n",
            "Content-Type: multipart/alternative;boundary=c\r\n", "--c\r\n", "--c--", "v=0", "\t", "\u{1}",
        ][..]), 0..24),
    ) {
        let body = pieces.concat();
        if let Ok(bodies) = Bodies::find(content_type.as_bytes(), body.as_bytes()) {
            let none: [&[u8]; 0] = [];
            let parts: Vec<&[u8]> = bodies.sdp().collect();
            prop_assert!(parts.len() <= PARTS_MAX * PARTS_MAX);
            if !body.contains("Content-Length") {
                prop_assert_eq!(bodies.splice(&none), body.as_bytes());
                prop_assert_eq!(bodies.splice(&parts), body.as_bytes());
            }
        }
    }
}
