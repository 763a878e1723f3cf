//! `undertone calls` and `undertone hangup`.

use comfy_table::CellAlignment::{Left, Right};

use super::{
    client::{Client, unexpected},
    output::{duration, lines, print, print_json, table},
};
use crate::{
    failure::Failure,
    protocol::{Answer, CallView, PartyView, Request},
};

/// Show the calls: who speaks with whom, through which peers, and for how long
///
/// A party is shown by its extension where it has one. The number, and where it is said who it is, are in the JSON.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone calls
  undertone calls --json | jq '.[] | select(.phase == \"up\") | .streams[].port'")]
pub(super) struct Args {
    /// Print them as JSON, with everything that is known of them
    #[arg(long)]
    json: bool,
}

/// End a call: both parties are told
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  undertone hangup 00c0ffee00c0ffee")]
pub(super) struct HangupArgs {
    /// The call's name, as `undertone calls` shows it
    call: String,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Calls)? {
        Answer::Calls(calls) if args.json => print_json(&calls),
        Answer::Calls(calls) => print(&view(&calls)),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn hang_up(args: HangupArgs, mut client: Client) -> Result<(), Failure> {
    client.order(&Request::HangUp { call: args.call })
}

fn view(calls: &[CallView]) -> String {
    if calls.is_empty() {
        return "no calls\n".into();
    }
    let columns = [("CALL", Left), ("CALLER", Left), ("FROM", Left), ("CALLEE", Left), ("AT", Left)];
    let mut table = table(columns.into_iter().chain([("PHASE", Left), ("FOR", Right), ("STREAMS", Right)]));
    for call in calls {
        let lasts = duration(call.up_ms.unwrap_or(call.age_ms));
        let (id, phase, streams) = (call.id.clone(), call.phase.clone(), call.streams.len().to_string());
        let (caller, callee) = (party(&call.caller), party(&call.callee));
        table.add_row([id, caller, call.caller.peer.clone(), callee, call.callee.peer.clone(), phase, lasts, streams]);
    }
    lines(&table).join("\n") + "\n"
}

/// The extension of a party that has one, else its number, and the name.
fn party(it: &PartyView) -> String {
    let number = if it.extension.is_empty() { &it.number } else { &it.extension };
    match (number.as_str(), it.name.as_str()) {
        (number, "") => number.to_owned(),
        ("", name) => name.to_owned(),
        (number, name) => format!("{number} ({name})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_row() {
        let party = |peer: &str, number: &str, extension: &str, name: &str| PartyView {
            peer: peer.into(),
            number: number.into(),
            extension: extension.into(),
            name: name.into(),
            ..PartyView::default()
        };
        let call = CallView {
            id: "00c0ffee00c0ffee".into(),
            phase: "up".into(),
            dialled: "100".into(),
            caller: party("carrier", "+4930", "", "Ann"),
            callee: party("pbx", "+4940100", "100", ""),
            age_ms: 70_000,
            up_ms: Some(61_000),
            sip_call_id: "x".into(),
            streams: Vec::new(),
        };
        let expected = "\
CALL              CALLER       FROM     CALLEE  AT   PHASE        FOR  STREAMS
00c0ffee00c0ffee  +4930 (Ann)  carrier  100     pbx  up     1 min 1 s        0
";
        assert_eq!((view(&[call]).as_str(), view(&[]).as_str()), (expected, "no calls\n"));
    }
}
