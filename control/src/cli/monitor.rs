//! `undertone monitors` and `undertone monitor`.

use comfy_table::CellAlignment::{Left, Right};
use undertone_core::mixer::Mode;

use super::{
    client::{Client, unexpected},
    output::{duration, lines, print, print_json, table},
    values::named,
};
use crate::{
    failure::Failure,
    protocol::{Answer, MonitorSpec, MonitorView, Request},
};

/// Show the monitor sessions: who monitors whom, at which call, in which mode
///
/// A session is starting until the audit has it, calling while its supervisor's phone rings, answered until that says what it
/// sends, waiting without a call of its extension, and up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone monitors
  undertone monitors --json | jq '.[] | select(.mode != \"listen\") | .supervisor.user'
  undertone monitors --json | jq '.[] | {id, loss: .phone.to_phone.lost_permille, jitter_us: .phone.to_phone.jitter_us}'")]
pub(super) struct ListArgs {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Have a supervisor called to monitor an extension, or change or end a monitor session
///
/// With --as, that extension's phone rings, and monitors the other one's call when it is answered; what the rules do not permit
/// is refused, and is in the audit like everything else. Without it, a session that there is gets another mode, or ends.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "undertone monitor <EXTENSION> --as <EXTENSION> [--mode <MODE>] [--peer <PEER>] [--auto-answer] [--json]\n       \
                      undertone monitor <SESSION> --mode <MODE>\n       undertone monitor <SESSION> --end",
    after_help = "\
Modes, and who hears the supervisor in them:
  listen          nobody
  whisper         the agent, whose extension it is; on calls between one on-net and one off-net party
  whisper-caller  the other party, likewise
  barge           both

Examples:
  undertone monitor 100 --as 200
  undertone monitor 100 --as 200 --mode whisper --auto-answer
  undertone monitor 0019ac0000001001 --mode barge
  undertone monitor 0019ac0000001001 --end"
)]
pub(super) struct Args {
    /// The extension to monitor, as `undertone users` shows it; without --as the name of a session, as `undertone monitors` does
    #[arg(value_name = "EXTENSION|SESSION")]
    what: String,

    /// The supervisor's extension, which is called
    #[arg(long = "as", value_name = "EXTENSION", required_unless_present_any = ["mode", "end"])]
    supervisor: Option<String>,

    /// Who hears the supervisor [default: listen, with --as]
    #[arg(long, value_parser = named::<Mode>())]
    mode: Option<Mode>,

    /// The peer that the supervisor's phone is behind, where calls to it do not lead there
    #[arg(long, requires = "supervisor")]
    peer: Option<String>,

    /// Ask the phone to answer by itself
    #[arg(long, requires = "supervisor")]
    auto_answer: bool,

    /// End the session
    #[arg(long, conflicts_with_all = ["mode", "supervisor"])]
    end: bool,

    /// Print the session that begins as JSON
    #[arg(long, requires = "supervisor")]
    json: bool,
}

pub(super) fn list(args: &ListArgs, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Monitors)? {
        Answer::Monitors(sessions) if args.json => print_json(&sessions),
        Answer::Monitors(sessions) => print(&view(&sessions)),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn run(args: Args, mut client: Client) -> Result<(), Failure> {
    let Args { what, supervisor, mode, peer, auto_answer, end: _, json } = args;
    let Some(supervisor) = supervisor else {
        return client.order(&match mode {
            Some(mode) => Request::SwitchMonitor { monitor: what, mode },
            None => Request::EndMonitor { monitor: what },
        });
    };
    let mode = mode.unwrap_or(Mode::Listen);
    let monitor = MonitorSpec { extension: what, supervisor, mode, peer, auto_answer };
    match client.ask(&Request::Monitor { monitor })? {
        Answer::Monitors(begun) if json => begun.first().map_or(Ok(()), print_json),
        Answer::Monitors(begun) => begun.iter().try_for_each(|it| {
            let (id, supervisor) = (&it.id, &it.supervisor.extension);
            print(&format!(
                "session {id}: calling {supervisor}, to monitor {} in mode {}\n",
                it.extension,
                it.mode.key()
            ))
        }),
        other => Err(unexpected(&other)),
    }
}

fn view(sessions: &[MonitorView]) -> String {
    if sessions.is_empty() {
        return "nobody monitors\n".into();
    }
    let columns = [("SESSION", Left), ("SUPERVISOR", Left), ("MONITORS", Left), ("CALL", Left), ("MODE", Left)];
    let mut table = table(columns.into_iter().chain([("STATE", Left), ("FOR", Right)]));
    for it in sessions {
        let supervisor = match it.supervisor.user.as_str() {
            "" => it.supervisor.extension.clone(),
            user => format!("{} ({user})", it.supervisor.extension),
        };
        let call = it.call.clone().unwrap_or_else(|| "-".into());
        let (mode, lasts) = (it.mode.key().to_owned(), duration(it.age_ms));
        table.add_row([it.id.clone(), supervisor, it.extension.clone(), call, mode, it.state.clone(), lasts]);
    }
    lines(&table).join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::SupervisorView;

    #[test]
    fn a_session_is_a_row() {
        let session = MonitorView {
            id: "0019ac0000001001".into(),
            state: "up".into(),
            supervisor: SupervisorView { user: "ann".into(), extension: "200".into(), via: "phone".into() },
            extension: "100".into(),
            call: Some("00c0ffee00c0ffee".into()),
            mode: Mode::WhisperToAgent,
            age_ms: 61_000,
            phone: None,
        };
        let expected = "\
SESSION           SUPERVISOR  MONITORS  CALL              MODE     STATE        FOR
0019ac0000001001  200 (ann)   100       00c0ffee00c0ffee  whisper  up     1 min 1 s
";
        assert_eq!((view(&[session]).as_str(), view(&[]).as_str()), (expected, "nobody monitors\n"));
    }
}
