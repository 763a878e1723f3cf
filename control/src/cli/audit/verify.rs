//! `undertone audit verify`.

use serde_json::json;
use undertone_control_core::audit::Head;

use super::{
    super::output::{grouped, print, print_json},
    Database,
};
use crate::{failure::Failure, storage::Verification};

/// Check that no row was changed, removed or moved
///
/// The exit status is 0 when the chain is whole, and 1 when it is not; the rows that are wrong are named. What the file alone
/// tells: rows that were edited, removed, added or moved; a tail that was cut off and whose head was left; rows removed from
/// the front without a row that says so. What it does not: a chain that was written anew from some row on by somebody who
/// knows how, and an older copy of the whole file. A later head tells these: the daemon says it in its log every ten minutes
/// while it moves, and at its end; this command prints it; GET /api/v1/audit/head answers it. Keep it where nobody who may
/// write the file may write.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  undertone audit verify
  undertone audit verify --json | jq -r .head | ssh elsewhere 'cat >> heads'
  undertone audit verify --head 42:7d0ab1f2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e")]
pub(in crate::cli) struct Args {
    /// A head that was kept elsewhere, NUMBER:HASH, which has to be in the chain; as often as you like
    #[arg(long = "head", value_name = "HEAD")]
    heads: Vec<Head>,

    /// Print what was found as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    database: Database,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let found = args.database.open()?.verify_audit(&args.heads)?;
    if args.json {
        print_json(&told(&found))?;
    }
    match found.is_whole() {
        true if args.json => Ok(()),
        true => print(&lines(&found)),
        false => Err(failure(&found)),
    }
}

fn told(found: &Verification) -> serde_json::Value {
    let chain = &found.chain;
    let faults: Vec<_> = chain.faults.iter().map(ToString::to_string).collect();
    json!({
        "whole": found.is_whole(),
        "rows": chain.rows,
        "head": chain.head,
        "removed_up_to": (chain.anchor.number > 0).then_some(chain.anchor),
        "outdated_heads": chain.outdated,
        "faults": faults,
        "more_faults": chain.more,
        "missing_triggers": found.unguarded,
    })
}

fn lines(found: &Verification) -> String {
    let chain = &found.chain;
    let mut text = format!("the audit is whole: {} rows\n", grouped(chain.rows));
    if chain.anchor.number > 0 {
        text += &format!("  {:<10}rows up to {}, for their age\n", "removed", grouped(chain.anchor.number));
    }
    for head in &chain.outdated {
        text += &format!(
            "  {:<10}{head} is of a row that was removed for its age, and tells nothing any more\n",
            "outdated"
        );
    }
    text + &format!("  {:<10}{}\n", "head", chain.head)
}

fn failure(found: &Verification) -> Failure {
    let chain = &found.chain;
    let faults = chain.faults.iter().map(ToString::to_string);
    let more = (chain.more > 0).then(|| format!("and {} faults more", chain.more));
    let unguarded =
        found.unguarded.iter().map(|guard| format!("the trigger {guard}, which refuses changes, is missing"));
    let all: Vec<_> = faults.chain(more).chain(unguarded).map(|fault| format!("\n  {fault}")).collect();
    Failure::new(format!("the audit is not what was written:{}", all.concat())).with_way_out(
        "keep a copy of the file as it is, find out who could write it, and compare with exports and heads kept elsewhere",
    )
}

#[cfg(test)]
mod tests {
    use undertone_control_core::audit::{Fault, Hash, Verified};

    use super::*;

    fn head(number: u64) -> Head {
        Head { number, hash: Hash([0x1f; 32]) }
    }

    fn verified(faults: Vec<Fault>) -> Verification {
        let chain = Verified { rows: 1_200, anchor: head(0), head: head(1_200), outdated: Vec::new(), faults, more: 0 };
        Verification { chain, unguarded: Vec::new() }
    }

    #[test]
    fn a_whole_audit_is_told_with_its_head() {
        let mut found = verified(Vec::new());
        let end = "1f".repeat(32);
        assert_eq!(lines(&found), format!("the audit is whole: 1,200 rows\n  head      1200:{end}\n"));
        assert_eq!(told(&found)["head"], json!(format!("1200:{end}")));
        (found.chain.anchor, found.chain.outdated) = (head(40), vec![head(3)]);
        let expected = format!(
            "the audit is whole: 1,200 rows\n  removed   rows up to 40, for their age\n  outdated  3:{end} is of a row that was \
             removed for its age, and tells nothing any more\n  head      1200:{end}\n"
        );
        assert_eq!(lines(&found), expected);
    }

    #[test]
    fn each_fault_is_a_line_and_the_exit_status_1() {
        let mut found =
            verified(vec![Fault::Changed(4), Fault::Missing(7, 9), Fault::Cut(12, 12), Fault::Unattested(2)]);
        (found.chain.more, found.unguarded) = (3, vec!["audit_stays"]);
        let failure = failure(&found);
        assert_eq!(failure.exit_code(), 1);
        let expected = "\
error: the audit is not what was written:
  row 4 is not what was written, or not behind what it was written behind
  rows 7 to 9 are missing
  row 12, the last, is missing
  the rows up to 2 were removed, and no row says that they were too old
  and 3 faults more
  the trigger audit_stays, which refuses changes, is missing
try: ";
        assert!(failure.text().starts_with(expected), "{}", failure.text());
        assert_eq!((&told(&found)["whole"], &told(&found)["more_faults"]), (&json!(false), &json!(3)));
    }
}
