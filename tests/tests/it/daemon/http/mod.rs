//! HTTP, as a monitoring system and an operator's own programs use it.

mod audit;
pub(crate) mod client;
mod metrics;
mod phones;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};
use undertone_tests::{Result, lab::wait_for};

use self::{
    client::Http,
    metrics::Metrics,
    phones::{Phones, site},
};
use super::{
    appliance::Appliance,
    operator::{SOON, other},
};

#[test]
fn health_and_readiness_follow_what_the_daemon_does() -> Result<()> {
    let site = site("")?;
    let (appliance, http) = (&site.appliance, &site.http);
    let _daemon = appliance.run()?;
    assert_eq!(http.get("/healthz")?, (200, json!({ "healthy": true })));
    assert_eq!(http.get("/readyz")?, (200, json!({ "ready": true, "reasons": [] })));
    appliance.say(&["drain"])?.done()?;
    let (status, told) = http.get("/readyz")?;
    assert_eq!((status, &told["ready"]), (503, &false.into()));
    assert!(told["reasons"][0].as_str().is_some_and(|reason| reason.contains("draining")), "{told}");
    assert_eq!(http.get("/healthz")?.0, 200);
    assert_eq!(http.metrics()?.of("undertone_ready"), 0);
    appliance.say(&["drain", "--end"])?.done()?;
    assert_eq!(http.get("/readyz")?.0, 200);
    Ok(())
}

#[test]
fn a_call_is_seen_while_it_runs_and_in_the_records_after() -> Result<()> {
    let site = site("")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    let call = phones.call("first")?;
    let (status, calls) = site.http.get("/api/v1/calls")?;
    assert_eq!((status, calls.as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(timeless(&calls[0]), timeless(&site.appliance.ask(&["calls"])?[0]));
    let id = calls[0]["id"].as_str().unwrap_or_default().to_owned();
    let (status, one) = site.http.get(&format!("/api/v1/calls/{id}"))?;
    assert_eq!((status, timeless(&one)), (200, timeless(&calls[0])));
    assert_eq!(
        (&one["phase"], &one["dialled"], &one["caller"]["peer"]),
        (&json!("up"), &json!("100"), &json!("carrier"))
    );
    assert_eq!(site.http.get("/api/v1/peers")?, (200, site.appliance.ask(&["peers"])?));
    phones.hang_up(&call)?;

    assert_eq!(site.http.get(&format!("/api/v1/calls/{id}"))?.0, 404);
    let records = || Some(site.http.get("/api/v1/records").ok()?.1).filter(|records| records[0].is_object());
    let records = wait_for("the record", SOON, records)?;
    assert_eq!(
        (&records[0]["id"], &records[0]["status"], &records[0]["ended_by"]),
        (&json!(id), &json!(200), &json!("caller"))
    );
    assert_eq!(site.http.get(&format!("/api/v1/records/{id}"))?, (200, records[0].clone()));
    let exported = site.appliance.say(&[
        "records",
        "--format",
        "jsonl",
        "--config",
        &site.appliance.config().to_string_lossy(),
    ])?;
    assert_eq!(serde_json::from_str::<Value>(&exported.done()?).map_err(other)?, records[0]);
    for (query, count) in [
        ("?peer=carrier&number=100&since=1h&limit=5", 1),
        ("?peer=nobody", 0),
        ("?number=200", 0),
        ("?until=2020-01-01", 0),
        ("?limit=0", 0),
    ] {
        let (status, records) = site.http.get(&format!("/api/v1/records{query}"))?;
        assert_eq!((status, records.as_array().map(Vec::len)), (200, Some(count)), "{query}");
    }
    Ok(())
}

#[test]
fn deleting_a_call_ends_it_for_both_parties() -> Result<()> {
    let site = site("")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    phones.call("unwanted")?;
    let (_, calls) = site.http.get("/api/v1/calls")?;
    let path = format!("/api/v1/calls/{}", calls[0]["id"].as_str().unwrap_or_default());
    let (status, told) = site.http.delete(&path)?;
    assert!(status == 200 && told["did"][0].as_str().is_some_and(|did| did.starts_with("ended the call")), "{told}");
    phones.are_told_that_it_is_over()?;
    let (status, told) = site.http.delete(&path)?;
    assert!(status == 404 && told["error"].as_str().is_some_and(|error| error.contains("there is no call")), "{told}");
    Ok(())
}

#[test]
fn a_call_moves_the_counters() -> Result<()> {
    let site = site("")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    let before = site.http.metrics()?;
    let call = phones.call("counted")?;
    let during = site.http.metrics()?;
    phones.hang_up(&call)?;
    phones.dial_nowhere("refused")?;
    phones.speak_as_a_stranger()?;
    let after = || site.http.metrics().ok().filter(|it| it.of("undertone_storage_records_written_total") == 1);
    let after = wait_for("the record to be written", SOON, after)?;
    let table: [(&str, [u64; 3]); 22] = [
        ("undertone_calls{phase=\"up\"}", [0, 1, 0]),
        ("undertone_peer_calls{peer=\"carrier\",role=\"caller\",phase=\"up\"}", [0, 1, 0]),
        ("undertone_peer_calls{peer=\"carrier\",role=\"callee\",phase=\"up\"}", [0, 0, 0]),
        ("undertone_peer_calls{peer=\"pbx\",role=\"callee\",phase=\"up\"}", [0, 1, 0]),
        ("undertone_peer_up{peer=\"pbx\"}", [1, 1, 1]),
        ("undertone_calls_begun_total", [0, 1, 1]),
        ("undertone_calls_answered_total", [0, 1, 1]),
        ("undertone_calls_refused_total", [0, 0, 1]),
        ("undertone_call_setup_seconds_count", [0, 1, 1]),
        ("undertone_call_setup_seconds_bucket{le=\"+Inf\"}", [0, 1, 1]),
        ("undertone_streams{path=\"io-uring\"}", [0, 4, 0]),
        ("undertone_interface_path{interface=\"*\",path=\"io-uring\"}", [1, 1, 1]),
        ("undertone_table_used{table=\"media-ports\"}", [0, 4, 0]),
        ("undertone_table_max{table=\"media-ports\"}", [32, 32, 32]),
        ("undertone_media_port_pairs_used", [0, 2, 0]),
        ("undertone_media_port_pairs_max", [16, 16, 16]),
        ("undertone_sip_strangers_total", [0, 0, 1]),
        ("undertone_draining", [0, 0, 0]),
        ("undertone_ready", [1, 1, 1]),
        ("undertone_http_followers", [0, 0, 0]),
        ("undertone_storage_queued", [0, 0, 0]),
        ("undertone_storage_failing", [0, 0, 0]),
    ];
    for (series, expected) in table {
        let told = [&before, &during, &after].map(|metrics| metrics.of(series));
        // A state of the call may wait for a moment.
        assert!(told == expected || series == "undertone_storage_queued", "{series}: {told:?}");
    }
    let responses = |direction, method, code| {
        after.of(&format!(
            "undertone_sip_responses_total{{direction=\"{direction}\",method=\"{method}\",code=\"{code}\"}}"
        ))
    };
    assert_eq!([100, 180, 200, 404].map(|code| responses("sent", "INVITE", code)), [1; 4]);
    assert_eq!([180, 200].map(|code| responses("received", "INVITE", code)), [1; 2]);
    assert_eq!(["sent", "received"].map(|direction| responses(direction, "BYE", 200)), [1; 2]);
    assert!(after.of("undertone_storage_commit_seconds_count") >= 1);
    Ok(())
}

#[test]
fn events_come_in_the_order_of_what_happened() -> Result<()> {
    let site = site("")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    let running = phones.call("running")?;
    let mut events = site.http.follow()?;
    let snapshot = events.next()?;
    assert_eq!(snapshot["event"], "snapshot");
    assert_eq!(snapshot["calls"].as_array().map(Vec::len), Some(1));
    assert_eq!(snapshot["peers"].as_array().map(Vec::len), Some(2));
    let first = snapshot["calls"][0]["id"].clone();

    let call = phones.call("new")?;
    let begun = events.next()?;
    let id = &begun["id"];
    assert_eq!((&begun["event"], &begun["call"]["phase"]), (&json!("call-begun"), &json!("trying")));
    assert!(id.is_string() && *id != first, "{begun}");
    let ringing = events.next()?;
    assert_eq!(
        (&ringing["event"], &ringing["id"], &ringing["call"]["phase"]),
        (&json!("call-ringing"), id, &json!("ringing"))
    );
    let up = events.next()?;
    assert_eq!((&up["event"], &up["id"], &up["call"]["callee"]["peer"]), (&json!("call-up"), id, &json!("pbx")));

    phones.hang_up(&running)?;
    let ended = events.next()?;
    assert_eq!(
        (&ended["event"], &ended["id"], &ended["record"]["status"]),
        (&json!("call-ended"), &first, &json!(200))
    );
    phones.dial_nowhere("refused")?;
    let refused = events.next()?;
    assert_eq!(
        (&refused["event"], &refused["peer"], &refused["dialled"], &refused["status"]),
        (&json!("call-refused"), &json!("carrier"), &json!("999"), &json!(404))
    );
    phones.hang_up(&call)?;
    let ended = events.next()?;
    assert_eq!((&ended["event"], &ended["id"]), (&json!("call-ended"), id));
    // It is the record that the database has.
    let record =
        || Some(site.http.get(&format!("/api/v1/records/{}", id.as_str()?)).ok()?).filter(|told| told.0 == 200);
    assert_eq!(wait_for("the record", SOON, record)?.1, ended["record"]);
    Ok(())
}

#[test]
fn a_peer_that_goes_and_comes_is_an_event_and_a_gauge() -> Result<()> {
    let site = site("options = 1\n")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    let mut events = site.http.follow()?;
    assert_eq!(events.next()?["event"], "snapshot");
    phones.answer_options_until(503, || {
        let metrics = site.http.metrics()?;
        Ok(metrics.of("undertone_peer_up{peer=\"pbx\"}") == 0)
    })?;
    let down = events.next()?;
    assert_eq!((&down["event"], &down["peer"]), (&json!("peer-down"), &json!("pbx")));
    phones.answer_options_until(200, || Ok(site.http.metrics()?.of("undertone_peer_up{peer=\"pbx\"}") == 1))?;
    let up = events.next()?;
    assert_eq!((&up["event"], &up["peer"]), (&json!("peer-up"), &json!("pbx")));
    Ok(())
}

#[test]
fn without_sip_there_are_metrics_of_the_data_plane() -> Result<()> {
    let appliance = Appliance::new()?;
    let http = Http::new(elsewhere(&appliance));
    appliance.configure(&format!("[http]\nlisten = \"{}\"\n", http.address()))?;
    let _daemon = appliance.run()?;
    assert_eq!(http.get("/readyz")?.0, 200);
    let (status, told) = http.get("/api/v1/calls")?;
    assert!(status == 409 && told["try"].as_str().is_some_and(|way_out| way_out.contains("[sip]")), "{told}");
    let metrics = http.metrics()?;
    assert_eq!(metrics.of("undertone_table_max{table=\"media-ports\"}"), 32);
    assert_eq!(metrics.of("undertone_packets_total{reason=\"forwarded\",fate=\"sent\"}"), 0);
    Ok(())
}

#[test]
fn a_wrong_address_is_told_with_line_and_key_and_a_taken_one_with_the_way_out() -> Result<()> {
    let appliance = Appliance::new()?;
    let config = appliance.config().display().to_string();
    appliance.configure("[http]\nlisten = \"localhost:8080\"\n")?;
    for command in ["check", "run"] {
        let complaint = appliance.say(&[command, "--config", &config])?.failed(2)?;
        assert!(complaint.contains(&format!("{config}, line 8, `http.listen`: expected an IP address")), "{complaint}");
    }
    let taken = std::net::TcpListener::bind("127.65.4.1:0").map_err(other)?;
    let address = taken.local_addr().map_err(other)?;
    appliance.configure(&format!("[http]\nlisten = \"{address}\"\n"))?;
    let said = appliance.say(&["run", "--config", &config])?;
    assert!(said.exit == Some(1) && said.err.contains(&format!("cannot listen for HTTP at {address}")), "{said:?}");
    assert!(said.err.contains("try: another program has the port"), "{said:?}");
    Ok(())
}

#[test]
fn whoever_speaks_no_http_harms_nothing() -> Result<()> {
    let site = site("")?;
    let _daemon = site.appliance.run()?;
    let mut phones = Phones::new(&site);
    let call = phones.call("undisturbed")?;
    let mut seed = 7_u32;
    for length in (1..400).step_by(7) {
        let mut garbage = b"GET /api/v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 9".to_vec();
        garbage.resize_with(length, || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        let mut stream = TcpStream::connect(site.http.address()).map_err(other)?;
        stream.write_all(&garbage).map_err(other)?;
        stream.shutdown(std::net::Shutdown::Write).map_err(other)?;
        stream.set_read_timeout(Some(SOON)).map_err(other)?;
        // Whatever it says, it says it and closes.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(site.http.get("/healthz")?.0, 200);
    phones.hang_up(&call)
}

/// Beside the media address, with a port that nobody else has.
fn elsewhere(appliance: &Appliance) -> SocketAddr {
    SocketAddr::from(([127, 65, 4, 1], appliance.port(0).port()))
}

/// A call without what changes from moment to moment.
fn timeless(call: &Value) -> Value {
    let mut call = call.clone();
    for key in ["age_ms", "up_ms"] {
        call[key] = Value::Null;
    }
    call
}
