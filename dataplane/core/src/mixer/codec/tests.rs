use proptest::prelude::*;

use super::*;
use crate::mixer::testing::{ratio_db, speech_like, tone};

/// What comes out of a codec for what goes in.
fn through(codec: Codec, packet_ms: u8, pcm: &[i16]) -> Vec<i16> {
    let (mut encoder, mut decoder) = (Encoder::new(codec, packet_ms).unwrap(), Decoder::new(codec).unwrap());
    let (mut payload, mut out) = ([0; PAYLOAD_MAX], vec![0; pcm.len()]);
    let samples = codec.rate().samples(packet_ms.into());
    for (pcm, out) in pcm.chunks_exact(samples).zip(out.chunks_exact_mut(samples)) {
        let octets = encoder.encode(pcm, &mut payload).unwrap();
        assert_eq!(decoder.decode(&payload[..octets], out), Ok(samples));
    }
    out
}

/// The best ratio over delays that a codec may have, and that delay in samples.
fn likeness(pcm: &[i16], out: &[i16], rate: SampleRate) -> (f64, usize) {
    let half = pcm.len() / 2;
    let at = |delay: usize| (ratio_db(&pcm[half - delay..pcm.len() - delay], &out[half..]), delay);
    (0..rate.samples(10)).map(at).max_by(|one, other| one.0.total_cmp(&other.0)).unwrap()
}

#[test]
fn speech_comes_out_as_it_went_in() {
    for (codec, least_db, delay) in [
        (Codec::Pcmu, 34.0, 0),
        (Codec::Pcma, 34.0, 0),
        // The transmit and the receive filters.
        (Codec::G722, 20.0, 22),
        (Codec::L16(SampleRate::Hz8000), 100.0, 0),
        (Codec::L16(SampleRate::Hz16000), 100.0, 0),
        (Codec::L16(SampleRate::Hz48000), 100.0, 0),
        (Codec::Opus, 9.0, 120),
    ] {
        for packet_ms in [10, 20, 40, 60] {
            let pcm = speech_like(codec.rate().hz(), codec.rate().samples(1_200));
            let (ratio, found) = likeness(&pcm, &through(codec, packet_ms, &pcm), codec.rate());
            assert!(ratio > least_db, "{codec:?} {packet_ms}: {ratio} dB");
            assert!(
                found.abs_diff(delay) <= if codec == Codec::Opus { 4 } else { 0 },
                "{codec:?} {packet_ms}: {found}"
            );
        }
    }
}

#[test]
fn opus_packets_of_30_and_50_ms_are_several_frames() {
    for packet_ms in [30, 50] {
        let pcm = tone(48_000, 1_000.0, 8_000.0, Codec::Opus.rate().samples(1_200));
        let (ratio, delay) = likeness(&pcm, &through(Codec::Opus, packet_ms, &pcm), SampleRate::Hz48000);
        assert!(ratio > 20.0, "{packet_ms} ms: {ratio} dB");
        // A period of this tone is 48 samples.
        assert_eq!(delay % 48, 120 % 48);
    }
}

#[test]
fn packets_of_a_wrong_size_are_refused() {
    let mut pcm = [0; 6_000];
    for (codec, sizes) in [
        (Codec::Pcmu, [0, 481, 4_000].as_slice()),
        (Codec::Pcma, &[0, 481]),
        (Codec::G722, &[0, 481, 9_000]),
        (Codec::L16(SampleRate::Hz8000), &[0, 1, 161, 962]),
        (Codec::L16(SampleRate::Hz48000), &[0, 1, 5_762]),
        (Codec::Opus, &[0]),
    ] {
        let mut decoder = Decoder::new(codec).unwrap();
        for &size in sizes {
            assert_eq!(decoder.decode(&vec![0; size], &mut pcm), Err(CodecError::Length(size)), "{codec:?}");
        }
    }
    let mut decoder = Decoder::new(Codec::G722).unwrap();
    assert_eq!(decoder.decode(&[0; 160], &mut pcm[..319]), Err(CodecError::Room(320)));
    // More than 120 ms, and frames that are not there.
    let mut decoder = Decoder::new(Codec::Opus).unwrap();
    assert_eq!(decoder.decode(&[0x1b, 0x3f, 0, 0], &mut pcm), Err(CodecError::Opus));
    assert_eq!(decoder.decode(&[0x03], &mut pcm), Err(CodecError::Opus));
    assert_eq!(Encoder::new(Codec::Opus, 25).err(), Some(CodecError::PacketTime(25)));
    assert_eq!(Encoder::new(Codec::Pcmu, 70).err(), Some(CodecError::PacketTime(70)));
}

#[test]
fn where_nothing_is_added_the_octets_stay_those_of_the_sender() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16(SampleRate::Hz16000)] {
        let (mut decoder, mut encoder) = (Decoder::new(codec).unwrap(), Encoder::new(codec, 20).unwrap());
        // Every octet, also those that no encoder makes.
        let original: Vec<u8> = (0..=255).collect();
        let (mut pcm, mut payload) = ([0; 256], [0; 256]);
        let samples = decoder.decode(&original, &mut pcm).unwrap();
        let mut mixed = pcm;
        mixed[7] = 1_000;
        let octets = encoder.encode_onto(&decoder, &original, &pcm[..samples], &mixed[..samples], &mut payload);
        assert_eq!(octets, Ok(256));
        let changed = if samples == 128 { 14..16 } else { 7..8 };
        for at in 0..256 {
            assert_eq!(payload[at] == original[at], !changed.contains(&at), "{codec:?}, octet {at}");
        }
    }
}

#[test]
fn a_second_decoder_knows_nothing_of_what_the_first_has_concealed() {
    for codec in [Codec::Pcmu, Codec::G722, Codec::L16(SampleRate::Hz8000)] {
        let pcm = tone(codec.rate().hz(), 400.0, 8_000.0, codec.rate().samples(60));
        let (mut encoder, mut decoder) = (Encoder::new(codec, 20).unwrap(), Decoder::new(codec).unwrap());
        let samples = codec.rate().samples(20);
        let payloads: Vec<Vec<u8>> = pcm
            .chunks_exact(samples)
            .map(|pcm| {
                let mut payload = [0; PAYLOAD_MAX];
                let octets = encoder.encode(pcm, &mut payload).unwrap();
                payload[..octets].to_vec()
            })
            .collect();
        let mut out = vec![0; samples];
        decoder.decode(&payloads[0], &mut out).unwrap();
        let mut expected = vec![0; samples];
        decoder.fork().unwrap().decode(&payloads[1], &mut expected).unwrap();
        decoder.conceal(&mut out);
        decoder.fork().unwrap().decode(&payloads[1], &mut out).unwrap();
        assert_eq!(out, expected, "{codec:?}");
    }
}

#[test]
fn a_lost_opus_packet_is_filled_from_its_own_past() {
    let pcm = tone(48_000, 400.0, 8_000.0, 48_000);
    let (mut encoder, mut decoder) = (Encoder::new(Codec::Opus, 20).unwrap(), Decoder::new(Codec::Opus).unwrap());
    let mut payload = [0; PAYLOAD_MAX];
    let mut out = vec![0; pcm.len()];
    for (at, (pcm, out)) in pcm.chunks_exact(960).zip(out.chunks_exact_mut(960)).enumerate() {
        let octets = encoder.encode(pcm, &mut payload).unwrap();
        if at == 30 { decoder.conceal(out) } else { assert_eq!(decoder.decode(&payload[..octets], out), Ok(960)) }
    }
    let level = |samples: &[i16]| samples.iter().map(|&sample| i32::from(sample).abs()).max().unwrap();
    assert!(level(&out[30 * 960..31 * 960]) > 4_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_payload_is_decoded_or_refused(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_600), 1..8),
        lost in any::<[bool; 8]>(),
        short in 0_usize..700,
    ) {
        for codec in Codec::ALL {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut pcm = vec![0; codec.rate().samples(OPUS_PACKET_MS_MAX)];
            for (payload, lost) in payloads.iter().zip(lost) {
                if lost {
                    decoder.conceal_before(payload, &mut pcm[..short]);
                }
                if let Ok(samples) = decoder.decode(payload, &mut pcm) {
                    prop_assert!(samples > 0 && samples <= pcm.len());
                }
                let _ = decoder.decode(payload, &mut pcm[..short]);
            }
        }
    }
}
