use undertone_control_core::element::Counters;
use undertone_core::mixer::{Counts, SessionKey, Totals};
use undertone_dataplane::SessionReport;

use super::*;

fn phones() -> Reports {
    let quality = Quality { lost: 9, lost_256ths: 64, jitter_ns: 3_500_000 };
    let report = SessionReport {
        call: None,
        mode: Mode::Barge,
        mic: Counts::default(),
        heard_ns: None,
        rtcp: Qualities { to_phone: Some(quality), ..Qualities::default() },
        flooded: 3,
        strangers: 0,
    };
    let totals = Totals { flooded: 7, strangers: 8 };
    Reports { sessions: vec![(SessionKey(1), report)], totals }
}

fn sip() -> SipMeasures {
    let mut calls = PhaseCounts::default();
    calls.count(Phase::Up);
    let carrier = CallsOfPeer { answers: Some(false), resolved: Some(true), caller: calls, ..CallsOfPeer::default() };
    SipMeasures {
        counters: Counters { calls: 3, ..Counters::default() },
        is_draining: true,
        calls,
        peers: [
            ("carrier".to_owned(), carrier),
            ("gone".to_owned(), CallsOfPeer { callee: calls, ..Default::default() }),
        ]
        .into(),
        lookups: names::Counts { answered: 7, failed: 2 },
        ports: (2, 16),
        transactions: (5, 4),
    }
}

fn measures() -> Measures {
    let path = |interface: &str, path: &str| InterfaceStatus {
        interface: interface.into(),
        path: path.into(),
        reason: String::new(),
    };
    let commits = storage::Counters {
        written: 4,
        failed: 0,
        dropped: 0,
        removed: 0,
        queued: 7,
        failing: false,
        commits: storage::Latency {
            buckets: std::array::from_fn(|place| (f64::from(place as u32 + 1), place as u64)),
            count: 20,
            sum_s: 1.5,
        },
        audit_written: 11,
        audit_failed: 1,
        audit_refused: 2,
        audit_queued: 3,
        audit_failing: true,
    };
    Measures {
        uptime_s: 60,
        is_ready: false,
        streams: 8,
        paths: vec![path("eth0", "xdp-native"), path("e\"th\\1", "xdp-generic")],
        reasons: vec![ReasonCount { reason: "forwarded".into(), fate: "sent".into(), packets: 9, help: String::new() }],
        tables: vec![Usage { what: "next hops".into(), used: 1, max: 4096, refused: 2 }],
        sip: Some(sip()),
        monitoring: Some(MonitorMeasures {
            sessions: Mode::ALL.map(|mode| (mode, u64::from(mode == Mode::Barge))),
            counters: desk::Counters { begun: 5, changes: 6, vanished: 1, ..desk::Counters::default() },
            phones: phones(),
        }),
        recording: Some(RecordingMeasures {
            running: 3,
            counters: recording::Counters::default(),
            uncopied: 1,
            missed: 2,
        }),
        storage: Some(commits),
    }
}

#[test]
fn each_measure_is_a_line() {
    let page = page(measures(), Counted { connections: 1, refused: 0, followers: 2, slow: 3 }).expect("a page");
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        "# TYPE undertone_calls gauge",
        "undertone_uptime_seconds 60",
        "undertone_ready 0",
        "undertone_draining 1",
        "undertone_recordings 3",
        "undertone_recordings_refused_total{reason=\"emergency\"} 0",
        "undertone_recording_files_failed_total{reason=\"disk-full\"} 0",
        "undertone_recording_streams_not_copied_total 1",
        "undertone_recording_packets_missed_total 2",
        "undertone_streams{path=\"mixed\"} 8",
        "undertone_interface_path{interface=\"eth0\",path=\"xdp-native\"} 1",
        "undertone_interface_path{interface=\"e\\\"th\\\\1\",path=\"xdp-generic\"} 1",
        "undertone_packets_total{reason=\"forwarded\",fate=\"sent\"} 9",
        "undertone_table_used{table=\"next-hops\"} 1",
        "undertone_table_max{table=\"next-hops\"} 4096",
        "undertone_table_refused_total{table=\"next-hops\"} 2",
        "undertone_calls{phase=\"trying\"} 0",
        "undertone_calls{phase=\"up\"} 1",
        "undertone_peer_calls{peer=\"carrier\",role=\"caller\",phase=\"up\"} 1",
        "undertone_peer_calls{peer=\"gone\",role=\"callee\",phase=\"up\"} 1",
        "undertone_peer_up{peer=\"carrier\"} 0",
        "undertone_peer_resolved{peer=\"carrier\"} 1",
        "undertone_dns_lookups_total{outcome=\"failed\"} 2",
        "undertone_media_port_pairs_used 2",
        "undertone_calls_begun_total 3",
        "undertone_call_setup_seconds_count 0",
        "undertone_sip_transactions{kind=\"server\"} 5",
        "undertone_storage_queued 7",
        "undertone_storage_records_written_total 4",
        "undertone_audit_rows_written_total 11",
        "undertone_audit_queued 3",
        "undertone_audit_failing 1",
        "undertone_audit_refused_total 2",
        "undertone_audit_failures_total 1",
        "undertone_storage_commit_seconds_bucket{le=\"1.0\"} 0",
        "undertone_storage_commit_seconds_bucket{le=\"12.0\"} 11",
        "undertone_storage_commit_seconds_bucket{le=\"+Inf\"} 20",
        "undertone_storage_commit_seconds_sum 1.5",
        "undertone_http_followers 2",
        "undertone_http_followers_dropped_total 3",
        "undertone_monitor_sessions{mode=\"barge\"} 1",
        "undertone_monitor_sessions{mode=\"whisper-caller\"} 0",
        "undertone_monitor_sessions_begun_total 5",
        "undertone_monitor_mode_changes_total 6",
        "undertone_monitor_refused_total{reason=\"no-rule\"} 0",
        "undertone_monitor_phones_vanished_total 1",
        "undertone_monitor_phone_packets_dropped_total{reason=\"flood\"} 7",
        "undertone_monitor_phone_packets_dropped_total{reason=\"stranger\"} 8",
        "undertone_monitor_phone_lost_permille_max{direction=\"to-phone\"} 250",
        "undertone_monitor_phone_lost_permille_max{direction=\"from-phone\"} 0",
        "undertone_monitor_phone_jitter_microseconds_max{direction=\"to-phone\"} 3500",
        "# EOF",
    ];
    for line in expected {
        assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
    }
    assert!(page.lines().any(|line| line == format!("undertone_build_info{{version=\"{version}\"}} 1")), "{page}");
    // A peer that is configured no more is neither up nor down.
    assert!(!page.contains("undertone_peer_up{peer=\"gone\"}"), "{page}");
}

#[test]
fn without_sip_there_are_no_calls_to_count() {
    let page = page(
        Measures { sip: None, monitoring: None, recording: None, storage: None, ..measures() },
        Counted::default(),
    )
    .expect("a page");
    assert!(!page.contains("undertone_calls") && page.contains("undertone_streams"), "{page}");
}
