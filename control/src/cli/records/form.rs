//! Records as a table and as CSV.

use std::{borrow::Cow, io::Write};

use comfy_table::CellAlignment;

use super::super::{
    export::{self, heard, or_dash, plain, text},
    output,
};
use crate::{
    failure::Failure,
    storage::{PastCall, PastParty, PastStream, StorageError, shown},
};

type Outcome = Result<(), Failure>;

/// Writes a table for people.
pub(super) fn table(calls: impl Iterator<Item = Result<PastCall, StorageError>>, mut out: impl Write) -> Outcome {
    let columns = ["BEGAN", "CALLER", "DIALLED", "CALLEE", "PEERS"].map(|heading| (heading, CellAlignment::Left));
    let figures = ["TALK", "MOS", "STATUS"].map(|heading| (heading, CellAlignment::Right));
    let ended = ["CAUSE", "BY"].map(|heading| (heading, CellAlignment::Left));
    let mut table = output::table(columns.into_iter().chain(figures).chain(ended));
    for call in calls {
        table.add_row(cells(&call?).map(|cell| plain(&cell)));
    }
    let lines = output::lines(&table).join("\n");
    heard(writeln!(out, "{lines}").and_then(|()| out.flush()))
}

fn cells(call: &PastCall) -> [String; 10] {
    [
        shown(call.began_at),
        or_dash(known_by(&call.caller)),
        or_dash(&call.dialled),
        or_dash(known_by(&call.callee)),
        format!("{} > {}", or_dash(&call.caller.peer), or_dash(&call.callee.peer)),
        call.talk_ms().map_or("-".into(), |ms| output::duration(ms.unsigned_abs())),
        call.mos().map_or("-".into(), |mos| format!("{mos:.2}")),
        call.status.to_string(),
        or_dash(&call.cause),
        call.ended_by.clone().unwrap_or("-".into()),
    ]
}

/// The extension of a party that has one, else its number.
fn known_by(party: &PastParty) -> &str {
    if party.extension.is_empty() { &party.number } else { &party.extension }
}

const HEADINGS: [&str; 34] = [
    "id",
    "began_at",
    "ended_at",
    "dialled",
    "caller_number",
    "caller_name",
    "caller_peer",
    "caller_side",
    "callee_number",
    "callee_name",
    "callee_peer",
    "callee_side",
    "sip_call_id",
    "rang_ms",
    "answered_ms",
    "duration_ms",
    "talk_ms",
    "status",
    "cause",
    "ended_by",
    "caller_packets",
    "caller_bytes",
    "caller_lost",
    "caller_jitter_ms",
    "caller_mos",
    "callee_packets",
    "callee_bytes",
    "callee_lost",
    "callee_jitter_ms",
    "callee_mos",
    "caller_extension",
    "caller_user",
    "callee_extension",
    "callee_user",
];

/// Writes comma-separated values.
pub(super) fn csv(calls: impl Iterator<Item = Result<PastCall, StorageError>>, out: impl Write) -> Outcome {
    export::csv(HEADINGS, calls, fields, out)
}

fn fields(call: &PastCall) -> [Cow<'_, str>; HEADINGS.len()] {
    let [caller_number, caller_name, caller_peer, caller_side] = party(&call.caller);
    let [callee_number, callee_name, callee_peer, callee_side] = party(&call.callee);
    let [caller_packets, caller_bytes, caller_lost, caller_jitter, caller_mos] = sent(call, "caller");
    let [callee_packets, callee_bytes, callee_lost, callee_jitter, callee_mos] = sent(call, "callee");
    [
        text(&call.id),
        shown(call.began_at).into(),
        shown(call.ended_at).into(),
        text(&call.dialled),
        caller_number,
        caller_name,
        caller_peer,
        caller_side,
        callee_number,
        callee_name,
        callee_peer,
        callee_side,
        text(&call.sip_call_id),
        figure(call.rang_ms),
        figure(call.answered_ms),
        figure(Some(call.duration_ms)),
        figure(call.talk_ms()),
        call.status.to_string().into(),
        text(&call.cause),
        text(call.ended_by.as_deref().unwrap_or_default()),
        caller_packets,
        caller_bytes,
        caller_lost,
        caller_jitter,
        caller_mos,
        callee_packets,
        callee_bytes,
        callee_lost,
        callee_jitter,
        callee_mos,
        text(&call.caller.extension),
        text(&call.caller.user),
        text(&call.callee.extension),
        text(&call.callee.user),
    ]
}

fn party(party: &PastParty) -> [Cow<'_, str>; 4] {
    [text(&party.number), text(&party.name), text(&party.peer), text(&party.side)]
}

/// What a party sent: packets, bytes, lost, jitter and MOS; empty where it had no stream.
fn sent(call: &PastCall, role: &str) -> [Cow<'static, str>; 5] {
    let streams: Vec<_> = call.streams.iter().filter(|stream| stream.from == role).collect();
    let sum = |of: fn(&PastStream) -> i64| streams.iter().map(|stream| of(stream)).reduce(i64::saturating_add);
    let jitter_ms = streams.iter().map(|stream| stream.jitter_ms).max_by(f64::total_cmp);
    let mos = streams.iter().filter_map(|stream| stream.mos).min_by(f64::total_cmp);
    let real = |value: Option<f64>| value.map_or(Cow::default(), |value| format!("{value:.2}").into());
    [
        figure(sum(|stream| stream.packets)),
        figure(sum(|stream| stream.bytes)),
        figure(sum(|stream| stream.lost)),
        real(jitter_ms),
        real(mos),
    ]
}

fn figure(value: Option<i64>) -> Cow<'static, str> {
    value.map_or(Cow::default(), |value| value.to_string().into())
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use export::jsonl;

    use super::*;

    /// A call that went well, and one that a hostile caller made.
    fn calls() -> Vec<Result<PastCall, StorageError>> {
        let party = |number: &str, name: &str, peer: &str, side: &str| PastParty {
            number: number.into(),
            extension: String::new(),
            name: name.into(),
            user: String::new(),
            peer: peer.into(),
            side: side.into(),
        };
        let stream = |from: &str, packets, jitter_ms, mos| PastStream {
            from: from.into(),
            port: "192.0.2.10:20000".into(),
            packets,
            bytes: packets * 172,
            lost: 2,
            jitter_ms,
            mos,
        };
        let good = PastCall {
            id: "0000000000000abc".into(),
            began_at: "2026-11-26T08:00:58.5Z".parse().expect("a time"),
            ended_at: "2026-11-26T08:02:00Z".parse().expect("a time"),
            dialled: "4711".into(),
            caller: party("+4930123", "Ada, \"Countess\"", "carrier", "off-net"),
            callee: PastParty { extension: "200".into(), user: "bob".into(), ..party("+4940200", "", "pbx", "on-net") },
            sip_call_id: "a84b4c@carrier.example".into(),
            rang_ms: Some(120),
            answered_ms: Some(1_500),
            duration_ms: 61_500,
            status: 200,
            cause: "OK".into(),
            ended_by: Some("callee".into()),
            streams: vec![
                stream("caller", 3_000, 1.25, Some(4.4)),
                stream("caller", 100, 7.0, None),
                stream("callee", 2_999, 0.5, Some(4.123_4)),
            ],
        };
        let hostile = PastCall {
            id: "0000000000000abd".into(),
            dialled: "+1+cmd|' /C calc'!A0".into(),
            caller: party("-1", "=HYPERLINK(\"http://192.0.2.1\")", "carrier", "off-net"),
            callee: PastParty { extension: "=1".into(), ..party("", "", "", "on-net") },
            sip_call_id: "@x\u{1b}[2J".into(),
            rang_ms: None,
            answered_ms: None,
            duration_ms: 12,
            status: 404,
            cause: "Not Found".into(),
            ended_by: None,
            streams: Vec::new(),
            ..good.clone()
        };
        vec![Ok(good), Ok(hostile)]
    }

    type Form = fn(std::vec::IntoIter<Result<PastCall, StorageError>>, &mut Vec<u8>) -> Outcome;

    fn written(form: Form) -> String {
        let mut out = Vec::new();
        form(calls().into_iter(), &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn csv_is_that_of_the_rfc_and_runs_in_no_spreadsheet() {
        let expected = "\
            id,began_at,ended_at,dialled,caller_number,caller_name,caller_peer,caller_side,callee_number,callee_name,\
            callee_peer,callee_side,sip_call_id,rang_ms,answered_ms,duration_ms,talk_ms,status,cause,ended_by,\
            caller_packets,caller_bytes,caller_lost,caller_jitter_ms,caller_mos,\
            callee_packets,callee_bytes,callee_lost,callee_jitter_ms,callee_mos,\
            caller_extension,caller_user,callee_extension,callee_user\r\n\
            0000000000000abc,2026-11-26T08:00:58.500Z,2026-11-26T08:02:00.000Z,4711,+4930123,\"Ada, \"\"Countess\"\"\",\
            carrier,off-net,+4940200,,pbx,on-net,a84b4c@carrier.example,120,1500,61500,60000,200,OK,callee,\
            3100,533200,4,7.00,4.40,2999,515828,2,0.50,4.12,,,200,bob\r\n\
            0000000000000abd,2026-11-26T08:00:58.500Z,2026-11-26T08:02:00.000Z,'+1+cmd|' /C calc'!A0,'-1,\
            \"'=HYPERLINK(\"\"http://192.0.2.1\"\")\",carrier,off-net,,,,on-net,'@x\u{1b}[2J,,,12,,404,Not Found,,\
            ,,,,,,,,,,,,'=1,\r\n";
        assert_eq!(written(|calls, out| csv(calls, out)), expected);
    }

    #[test]
    fn json_lines_have_a_call_each_with_its_streams() {
        let text = written(|calls, out| jsonl(calls, out));
        let lines: Vec<_> = text.lines().collect();
        let expected = "{\"id\":\"0000000000000abd\",\"began_at\":\"2026-11-26T08:00:58.500Z\",\
            \"ended_at\":\"2026-11-26T08:02:00.000Z\",\"dialled\":\"+1+cmd|' /C calc'!A0\",\
            \"caller\":{\"number\":\"-1\",\"extension\":\"\",\"name\":\"=HYPERLINK(\\\"http://192.0.2.1\\\")\",\"user\":\"\",\"peer\":\"carrier\",\
            \"side\":\"off-net\"},\"callee\":{\"number\":\"\",\"extension\":\"=1\",\"name\":\"\",\"user\":\"\",\"peer\":\"\",\"side\":\"on-net\"},\
            \"sip_call_id\":\"@x\\u001b[2J\",\"rang_ms\":null,\"answered_ms\":null,\"duration_ms\":12,\"status\":404,\
            \"cause\":\"Not Found\",\"ended_by\":null,\"streams\":[]}";
        assert_eq!(lines[1..], [expected]);
        let good: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
        assert_eq!(good["streams"].as_array().map(Vec::len), Some(3));
        let stream = serde_json::json!({
            "from": "callee", "port": "192.0.2.10:20000",
            "packets": 2999, "bytes": 515_828, "lost": 2, "jitter_ms": 0.5, "mos": 4.1234,
        });
        assert_eq!(good["streams"][2], stream);
    }

    #[test]
    fn the_table_is_for_people() {
        let expected = "\
BEGAN                     CALLER    DIALLED               CALLEE  PEERS               TALK   MOS  STATUS  CAUSE      BY
2026-11-26T08:00:58.500Z  +4930123  4711                  200     carrier > pbx  1 min 0 s  4.12     200  OK         callee
2026-11-26T08:00:58.500Z  -1        +1+cmd|' /C calc'!A0  =1      carrier > -            -     -     404  Not Found  -
";
        assert_eq!(written(|calls, out| table(calls, out)), expected);
    }

    #[test]
    fn nothing_in_a_table_speaks_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{9b}\r\n"), "a·[2Jb···");
    }

    #[test]
    fn a_reader_that_has_had_enough_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for outcome in
            [csv(calls().into_iter(), Gone), jsonl(calls().into_iter(), Gone), table(calls().into_iter(), Gone)]
        {
            outcome.expect("it is over");
        }
    }
}
