//! `undertone peers`.

use comfy_table::CellAlignment::{Left, Right};

use super::{
    client::{Client, unexpected},
    output::{lines, print, print_json, table},
};
use crate::{
    failure::Failure,
    protocol::{Answer, NamesView, PeerView, Request},
};

/// Show the SIP peers: whether they answer, and how many calls they have
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  undertone peers\n  undertone peers --json | jq '.[] | select(.answers | not)'")]
pub(super) struct Args {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Peers)? {
        Answer::Peers(peers) if args.json => print_json(&peers),
        Answer::Peers(peers) => print(&view(&peers)),
        other => Err(unexpected(&other)),
    }
}

fn view(peers: &[PeerView]) -> String {
    if peers.is_empty() {
        return "no peers\n".into();
    }
    let columns = [
        ("PEER", Left),
        ("SIDE", Left),
        ("TARGET", Left),
        ("NAMES", Left),
        ("ANSWERS", Left),
        ("CALLS", Right),
        ("OF", Right),
    ];
    let mut table = table(columns);
    for it in peers {
        let max = it.calls_max.map_or_else(|| "-".to_owned(), |max| max.to_string());
        let target = it.target.map_or_else(|| "-".to_owned(), |target| format!("{}:{target}", it.transport));
        let (answers, names) = (if it.answers { "yes" } else { "no" }, names(it.names.as_ref()));
        table.add_row([it.name.clone(), it.side.clone(), target, names, answers.into(), it.calls.to_string(), max]);
    }
    lines(&table).join("\n") + "\n"
}

fn names(names: Option<&NamesView>) -> String {
    match names {
        None => "-".into(),
        Some(NamesView { resolved: false, since: Some(since), .. }) => format!("unresolved since {since}"),
        Some(_) => "resolved".into(),
    }
}
