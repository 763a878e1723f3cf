//! `undertone recordings` and `undertone record`.

use comfy_table::CellAlignment::{Left, Right};

use super::{
    client::{Client, unexpected},
    output::{duration, lines, print, print_json, table},
};
use crate::{
    failure::Failure,
    protocol::{Answer, RecordedStream, RecordingSpec, RecordingView, Request},
};

/// Show the recordings that run: of which call, why, and where they go
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone recordings
  undertone recordings --json | jq '.[].streams[] | {party, codec, to}'")]
pub(super) struct ListArgs {
    /// Print them as JSON, with everything that is known of their streams
    #[arg(long)]
    json: bool,
}

/// Record a call, or end its recording
///
/// It is recorded from now on, to where the configuration says. Calls to and from emergency numbers, and those
/// of whom nobody may monitor or record, are refused. A recording that is ended so does not begin again by itself.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone record 100
  undertone record 00c0ffee00c0ffee
  undertone record 00c0ffee00c0ffee --stop")]
pub(super) struct Args {
    /// The call's name, as `undertone calls` shows it, or an extension for its newest call
    #[arg(value_name = "CALL|EXTENSION")]
    call: String,

    /// End the recording
    #[arg(long)]
    stop: bool,

    /// Print the recording that begins as JSON
    #[arg(long, conflicts_with = "stop")]
    json: bool,
}

pub(super) fn list(args: &ListArgs, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Recordings)? {
        Answer::Recordings(recordings) if args.json => print_json(&recordings),
        Answer::Recordings(recordings) => print(&view(&recordings)),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn run(args: Args, mut client: Client) -> Result<(), Failure> {
    let Args { call, stop, json } = args;
    if stop {
        return client.order(&Request::EndRecording { call });
    }
    match client.ask(&Request::Record { recording: RecordingSpec { call } })? {
        Answer::Recordings(begun) if json => begun.first().map_or(Ok(()), print_json),
        Answer::Recordings(begun) => begun.iter().try_for_each(|it| print(&format!("{}\n", sentence(it)))),
        other => Err(unexpected(&other)),
    }
}

fn sentence(it: &RecordingView) -> String {
    format!("the call {} is recorded: {}", it.call, places(it).join(", "))
}

/// Where a recording goes.
fn places(it: &RecordingView) -> Vec<String> {
    let file = it.file.as_ref().map(|file| match file.state.as_str() {
        "writing" => file.path.display().to_string(),
        fault => format!("{} ({fault})", file.path.display()),
    });
    let ports = it.streams.iter().filter_map(|stream| Some(format!("{} to {}", stream.party, stream.to?)));
    file.into_iter().chain(ports).collect()
}

fn view(recordings: &[RecordingView]) -> String {
    if recordings.is_empty() {
        return "nothing is recorded\n".into();
    }
    let columns = [("CALL", Left), ("CALLER", Left), ("AGENT", Left), ("WHY", Left), ("TO", Left), ("FOR", Right)];
    let mut table = table(columns);
    for it in recordings {
        let mut names = it.streams.iter().map(party);
        let (caller, agent) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
        let (call, why, lasts) = (it.call.clone(), it.why.clone(), duration(it.age_ms));
        table.add_row([call, caller, agent, why, places(it).join(", "), lasts]);
    }
    lines(&table).join("\n") + "\n"
}

fn party(stream: &RecordedStream) -> String {
    if stream.extension.is_empty() { stream.number.clone() } else { stream.extension.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{FileView, SupervisorView};

    #[test]
    fn a_recording_is_a_row() {
        let stream = |party: &str, extension: &str, port: u16| RecordedStream {
            party: party.into(),
            role: "caller".into(),
            extension: extension.into(),
            number: "+4930123".into(),
            side: "off-net".into(),
            port: ([192, 0, 2, 1], 20_000).into(),
            to: Some(([192, 0, 2, 9], port).into()),
            forwarded: true,
            codec: None,
            payload_type: None,
            clock_hz: None,
            telephone_event: None,
            ssrc: None,
            encrypted: false,
        };
        let recording = RecordingView {
            call: "00c0ffee00c0ffee".into(),
            why: "rule".into(),
            by: SupervisorView::default(),
            started: "2026-11-27T08:30:00Z".into(),
            age_ms: 61_000,
            file: Some(FileView { path: "/srv/a.wav".into(), rate_hz: 8000, state: "disk-full".into() }),
            streams: vec![stream("caller", "", 30_000), stream("agent", "100", 30_002)],
        };
        let expected = "\
CALL              CALLER    AGENT  WHY   TO                                                                                      FOR
00c0ffee00c0ffee  +4930123  100    rule  /srv/a.wav (disk-full), caller to 192.0.2.9:30000, agent to 192.0.2.9:30002      1 min 1 s
";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&view(std::slice::from_ref(&recording))), squeezed(expected));
        assert_eq!(view(&[]), "nothing is recorded\n");
        let said = "the call 00c0ffee00c0ffee is recorded: /srv/a.wav (disk-full), caller to 192.0.2.9:30000, agent to 192.0.2.9:30002";
        assert_eq!(sentence(&recording), said);
    }
}
