//! `undertone users`.

use comfy_table::CellAlignment::Left;

use super::{
    client::{Client, unexpected},
    output::{lines, print, print_json, table},
};
use crate::{
    failure::Failure,
    protocol::{Answer, Request, UserView},
};

/// Show the users: their extensions, groups and queues, and the calls that they are in
///
/// ROLE and SITE are what [[monitoring.rule]] may go by; QUEUES are those that a user answers, SUPERVISES those that a user looks
/// after. Whoever is no user of the configuration may monitor nobody.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  undertone users\n  undertone users --json | jq '.[] | select(.calls != []) | .extensions[0]'"
)]
pub(super) struct Args {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, mut client: Client) -> Result<(), Failure> {
    match client.ask(&Request::Users)? {
        Answer::Users(users) if args.json => print_json(&users),
        Answer::Users(users) => print(&view(&users)),
        other => Err(unexpected(&other)),
    }
}

fn view(users: &[UserView]) -> String {
    if users.is_empty() {
        return "no users\n".into();
    }
    let columns = ["USER", "NAME", "EXTENSIONS", "ROLE", "SITE", "GROUPS", "QUEUES", "SUPERVISES", "CALLS"];
    let mut table = table(columns.map(|heading| (heading, Left)));
    let list = |names: &[String]| or_dash(&names.join(", "));
    for it in users {
        table.add_row([
            it.name.clone(),
            or_dash(&it.display_name),
            list(&it.extensions),
            it.role.clone(),
            or_dash(&it.site),
            list(&it.groups),
            list(&it.queues),
            list(&it.supervises),
            list(&it.calls),
        ]);
    }
    lines(&table).join("\n") + "\n"
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_row() {
        let user = UserView {
            name: "bob".into(),
            display_name: "Bob".into(),
            extensions: vec!["104".into(), "105".into()],
            role: "user".into(),
            site: String::new(),
            groups: vec!["support".into()],
            queues: Vec::new(),
            supervises: Vec::new(),
            calls: vec!["00c0ffee00c0ffee".into()],
        };
        let expected = "\
USER  NAME  EXTENSIONS  ROLE  SITE  GROUPS   QUEUES  SUPERVISES  CALLS
bob   Bob   104, 105    user  -     support  -       -           00c0ffee00c0ffee
";
        assert_eq!((view(&[user]).as_str(), view(&[]).as_str()), (expected, "no users\n"));
    }
}
