use undertone_control_core::element::Counters;

use super::*;

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
    };
    Measures {
        uptime_s: 60,
        is_ready: false,
        streams: 8,
        paths: vec![path("eth0", "xdp-native"), path("e\"th\\1", "xdp-generic")],
        reasons: vec![ReasonCount { reason: "forwarded".into(), fate: "sent".into(), packets: 9, help: String::new() }],
        tables: vec![Usage { what: "next hops".into(), used: 1, max: 4096, refused: 2 }],
        sip: Some(sip()),
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
        "undertone_storage_commit_seconds_bucket{le=\"1.0\"} 0",
        "undertone_storage_commit_seconds_bucket{le=\"12.0\"} 11",
        "undertone_storage_commit_seconds_bucket{le=\"+Inf\"} 20",
        "undertone_storage_commit_seconds_sum 1.5",
        "undertone_http_followers 2",
        "undertone_http_followers_dropped_total 3",
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
    let page = page(Measures { sip: None, storage: None, ..measures() }, Counted::default()).expect("a page");
    assert!(!page.contains("undertone_calls") && page.contains("undertone_streams"), "{page}");
}
