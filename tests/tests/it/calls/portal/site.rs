//! A portal, with a call to see on it.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::{Command, Stdio},
};

use undertone_tests::{Result, lab::Family};

use super::{Browser, Https, json, other};
use crate::{
    calls::{exchange::Plan, ground::Who, monitor::Floor},
    daemon::program::undertone,
};

/// Everybody's.
pub(super) const PASSWORD: &str = "correct horse battery";

/// A call between a carrier's telephone and Bob's, who is an agent of Ann's; her telephone is beside.
pub(super) struct Site {
    pub(super) floor: Floor,
    pub(super) at: SocketAddr,
}

impl Site {
    pub(super) fn open() -> Result<Self> {
        Self::with("Bob Bauer")
    }

    /// One whose agent has this name.
    pub(super) fn with(agent: &str) -> Result<Self> {
        let mut plan = Plan::loopback()?;
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8443);
        plan.sip = format!("{}{}", people(agent, &hash(PASSWORD)?), section(at));
        Ok(Self { floor: Floor::of(plan)?, at })
    }

    /// Somebody with a client of their own, who believes the portal's certificate.
    pub(super) fn client(&self) -> Result<Https> {
        Https::new(self.at, &self.floor.exchange.operator.file("portal-certificate.pem"))
    }

    /// Somebody who is signed in.
    pub(super) fn client_of(&self, user: &str) -> Result<Https> {
        let mut client = self.client()?;
        let answer = client.sign_in(user, PASSWORD)?;
        assert_eq!(answer.status, 200, "{user}: {}", answer.body);
        Ok(client)
    }

    /// Somebody in front of a browser.
    pub(super) fn browser(&self) -> Result<Browser> {
        Browser::open(&format!("https://{}", self.at))
    }

    /// Changes the configuration, and has it hold.
    pub(super) fn reload(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let operator = &self.floor.exchange.operator;
        let text = std::fs::read_to_string(operator.config()).map_err(other)?;
        operator.write_config(&change(text))?;
        operator.say(&["reload"])?.done().map(drop)
    }
}

fn section(at: SocketAddr) -> String {
    let route = "[[route]]\nfrom = [\"carrier\"]\nprefix = \"200\"\nto = \"spare\"\n";
    format!("[portal]\nlisten = \"{at}\"\n{route}")
}

fn people(agent: &str, password: &str) -> String {
    let user = |name: &str, display_name: &str, extension: &str, role: &str| {
        // JSON has the texts that TOML has.
        let display_name = json!(display_name);
        format!(
            "[[user]]\nname = \"{name}\"\ndisplay-name = {display_name}\nextensions = [\"{extension}\"]\nrole = \"{role}\"\n\
             site = \"berlin\"\n{password}\n"
        )
    };
    let users = [
        user("ann", "Ann Miller", "200", "call-center-supervisor"),
        user("bob", agent, "100", "user"),
        user("eve", "Eve", "300", "user"),
        user("nils", "Nils", "301", "call-center-supervisor"),
        user("olga", "Olga", "302", "office-manager"),
        user("simon", "Simon", "303", "site-manager"),
        user("ada", "Ada", "304", "administrator"),
        user("audrey", "Audrey", "305", "auditor"),
    ];
    users.concat()
        + r#"
[[queue]]
name = "sales"
agents = ["bob"]
supervisors = ["ann"]
[[monitoring.rule]]
who = { roles = ["call-center-supervisor"] }
whom = { their-queues = true }
[[monitoring.rule]]
who = { roles = ["administrator", "auditor", "user"] }
whom = { everyone = true }
"#
}

/// The line of the configuration, as `undertone password` prints it.
pub(super) fn hash(password: &str) -> Result<String> {
    let mut command = Command::new(undertone()?);
    let child = command.arg("password").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(other)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(format!("{password}\n").as_bytes()).map_err(other)?;
    }
    let output = child.wait_with_output().map_err(other)?;
    assert!(output.status.success(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
