//! RTCP with supervisors' phones.

use undertone_abi::Address;

use super::*;

/// A supervisor whose RTCP has a port of its own, on a network that loses one packet in ten.
fn scene() -> (Scene, SessionKey, Endpoint) {
    let mut scene = Scene::new(PCMU, PCMU);
    scene.network = |number| (number % 10 != 3).then_some(0);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    let remote = scene.supervisors[0].phone.endpoint();
    let beside = Endpoint { port: remote.port + 1, ..remote };
    let spec =
        SessionSpec { format: PCMU, remote, rtcp: Some(beside), policy: Policy::SameHost, hears: true, tones: false };
    scene.mixer.set_session(scene.now_ns, key, spec).unwrap();
    (scene, key, beside)
}

fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[4 * at..4 * at + 4].try_into().unwrap())
}

/// A receiver report about us: so much was lost.
fn report(about: u32, lost_256ths: u8) -> Vec<u8> {
    let mut bytes = vec![0x81, 201, 0, 7];
    bytes.extend(9_u32.to_be_bytes());
    bytes.extend(about.to_be_bytes());
    bytes.extend([lost_256ths, 0, 0, 5]);
    bytes.extend([0, 0, 0, 9, 0, 0, 0, 80]);
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn a_phone_is_told_what_was_sent_and_how_its_packets_come() {
    let (mut scene, key, beside) = scene();
    scene.run(30_000);
    assert!((4..=12).contains(&scene.reports.len()), "{}", scene.reports.len());
    assert!(scene.reports.iter().all(|(to, is_beside, _)| (*to, *is_beside) == (beside, true)));
    let phone = &scene.supervisors[0].phone;
    let last = &scene.reports.last().expect("a report").2;
    let heard = Packet::read(&phone.packets[0]).unwrap();
    assert_eq!((last[1], word(last, 1)), (200, heard.ssrc));
    // Its time, and the packets and octets until then.
    let sent = word(last, 5);
    assert!(sent > 1_000 && word(last, 6) == sent * 160, "{sent}");
    let ticks = word(last, 4).wrapping_sub(heard.timestamp);
    assert!(ticks.abs_diff(sent * 160) <= 320, "{ticks} after {sent} packets");
    assert!(word(last, 7) == phone.ssrc && (23..=27).contains(&last[32]), "a tenth is lost: {}", last[32]);
    let known = scene.mixer.report(key).unwrap().rtcp;
    assert_eq!(known.from_phone.map(|it| it.lost_256ths), Some(last[32]));
    assert_eq!((known.to_phone, known.heard_ns), (None, None));
}

#[test]
fn what_a_phone_reports_is_known_and_what_others_do_is_not() {
    let (mut scene, key, beside) = scene();
    scene.run(500);
    let (place, ssrc) =
        (scene.supervisors[0].place, Packet::read(&scene.supervisors[0].phone.packets[0]).unwrap().ssrc);
    let stranger = Endpoint { address: Address::v4(7), port: 9 };
    scene.mixer.take_rtcp(scene.now_ns, place, stranger, &report(ssrc, 99));
    scene.mixer.take_rtcp(scene.now_ns, place, beside, &report(ssrc ^ 1, 99));
    assert_eq!(scene.mixer.report(key).unwrap().rtcp.to_phone, None);
    scene.mixer.take_rtcp(scene.now_ns, place, beside, &report(ssrc, 12));
    let report = scene.mixer.report(key).unwrap();
    let quality = report.rtcp.to_phone.expect("it has reported");
    assert_eq!((quality.lost, quality.lost_256ths, quality.jitter_ns), (5, 12, 10 * MS));
    assert_eq!((report.strangers, report.rtcp.heard_ns), (1, Some(scene.now_ns)));
}

#[test]
fn a_phone_that_is_muted_is_heard_of_by_its_rtcp() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    scene.run(500);
    scene.supervisors[0].phone.is_silent = true;
    scene.run(5_000);
    let (place, remote) = (scene.supervisors[0].place, scene.supervisors[0].phone.endpoint());
    let silent_ns = scene.mixer.report(key).unwrap().heard_ns.expect("it was heard");
    assert!(scene.now_ns - silent_ns > 4_900 * MS);
    // With RTP, since it has no port of its own.
    scene.mixer.take(scene.now_ns, place, remote, &report(1, 0));
    assert_eq!(scene.mixer.report(key).unwrap().heard_ns, Some(scene.now_ns));
    scene.run(8_000);
    assert!(scene.reports.iter().all(|(to, is_beside, _)| (*to, *is_beside) == (remote, false)));
    assert!(scene.reports.len() >= 2);
}

#[test]
fn what_was_dropped_is_counted_beyond_the_end_of_a_session() {
    let mut scene = Scene::new(PCMU, PCMU);
    let key = scene.join(PCMU, SUPERVISOR_HZ);
    let (place, remote) = (scene.supervisors[0].place, scene.supervisors[0].phone.endpoint());
    for _ in 0..100 {
        let packet = scene.supervisors[0].phone.say(u64::MAX).unwrap();
        scene.mixer.take(scene.now_ns, place, remote, &packet);
        scene.mixer.take(scene.now_ns, place, Endpoint { port: 5, ..remote }, &packet);
    }
    let totals = scene.mixer.totals();
    assert_eq!((totals.flooded, totals.strangers), (50, 100));
    scene.mixer.remove_session(scene.now_ns, key);
    assert_eq!((scene.mixer.totals(), scene.mixer.sessions().count()), (totals, 0));
}
