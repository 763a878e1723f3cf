//! `undertone check`.

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use serde_json::json;
use undertone_control_core::{
    Config,
    config::{Portal, Sip},
    monitor::Monitoring,
    names::{Named as _, PathChoice},
    recording::Settings,
    sip::Transport,
    trunk::{Answer, Lookup, Side, Unused},
};

use super::{
    output::{grouped, print, print_json},
    run::CONFIG_DEFAULT,
};
use crate::{
    daemon::{check_host, read_config},
    failure::Failure,
    monitor::Announcements,
    names,
};

/// Read a configuration and say what is in it, or what is wrong with it
///
/// Nothing is touched and no daemon is needed. Every problem is told at once, with its line and key; the exit status is
/// then 2. When the file is right and this host is not ready for it, because interfaces are missing or down or a media
/// address is on none, or an announcement cannot be played, that is told and the exit status is 1. Names of peers are looked up; one that does not resolve now is
/// told, and is no mistake.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  undertone check --config new.toml && mv new.toml /etc/undertone/undertone.toml && undertone reload"
)]
pub(super) struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    config: PathBuf,

    /// Leave this host out: the file is for another
    #[arg(long)]
    file_only: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = read_config(&args.config)?;
    if !args.file_only {
        check_host(&config)?;
        config.sip.iter().try_for_each(|sip| Announcements::load(&sip.monitoring.announcements).map(drop))?;
    }
    let names = if args.file_only { Names::default() } else { Names::look_up(&config) };
    if args.json {
        print_json(&summary_json(&config, &names))
    } else {
        print(&(summary(&config, args) + &names.lines()))
    }
}

/// What the names of peers lead to now.
#[derive(Default)]
struct Names {
    found: Vec<(Lookup, Result<Answer, String>)>,
    /// What of it would not be used.
    unused: Vec<Unused>,
}

impl Names {
    fn look_up(config: &Config) -> Self {
        let Some(sip) = config.sip.as_ref().filter(|sip| !sip.trunks.lookups().is_empty()) else {
            return Self::default();
        };
        let found = names::look_up_once(&sip.resolvers, sip.trunks.lookups());
        let answer = |(lookup, outcome): &(Lookup, Result<Answer, String>)| {
            Some((lookup.clone(), outcome.as_ref().ok()?.clone()))
        };
        let known = found.iter().filter_map(answer).collect();
        Self { unused: sip.trunks.resolved(&known).1, found }
    }

    /// What does not resolve is no mistake of the file's: it may tomorrow.
    fn lines(&self) -> String {
        let mut text = String::new();
        for (lookup, outcome) in &self.found {
            // Writing to a string cannot fail.
            let _ = match outcome {
                Ok(answer) => writeln!(text, "  {:<16}{} is {}", "name", described(lookup), names::addresses(answer)),
                Err(why) => {
                    writeln!(text, "  {:<16}{} does not resolve now: {why}", "warning", described(lookup))
                }
            };
        }
        for unused in &self.unused {
            let _ = writeln!(text, "  {:<16}{unused}", "warning");
        }
        text
    }
}

fn described(lookup: &Lookup) -> String {
    let service = lookup.service.map(|transport| format!(" ({transport})"));
    format!("{lookup}{}", service.unwrap_or_default())
}

fn summary(config: &Config, args: &Args) -> String {
    let media = &config.media;
    let addresses: Vec<_> = media.addresses.iter().map(ToString::to_string).collect();
    let ports = media.ports.count() * addresses.len();
    let interfaces = if media.interfaces.is_empty() { "none".into() } else { media.interfaces.join(", ") };
    let pins = match &media.pins {
        _ if media.path == PathChoice::IoUring => "not used by this path: streams end with the daemon".into(),
        None => "nothing is pinned: streams end with the daemon".into(),
        Some(pins) => pins.display().to_string(),
    };
    let mut rows = vec![
        ("media addresses", addresses.join(", ")),
        ("media ports", format!("{} ({} in all)", media.ports, grouped(ports as u64))),
        ("interfaces", interfaces),
        ("path", media.path.name().into()),
        ("pins", pins),
        ("control socket", config.control.socket.display().to_string()),
        ("call records", format!("{}, kept for {} days", config.storage.path.display(), config.storage.keep_days)),
        ("HTTP", config.http.map_or_else(|| "nobody answers".into(), |http| http.listen.to_string())),
        ("portal", config.portal.as_ref().map_or_else(|| "there is no page".into(), |portal| shown(portal, config))),
        ("relays", format!("{} ({} copies)", config.relays.len(), copies(config))),
    ];
    rows.extend(config.sip.iter().flat_map(sip_rows));
    let mut text = format!("{} is right\n", args.config.display());
    for (what, value) in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {what:<16}{value}");
    }
    text
}

fn shown(portal: &Portal, config: &Config) -> String {
    let certificate = match &portal.certificate {
        Some(files) => files.chain.display().to_string(),
        None => "one of our own making".into(),
    };
    format!("https://{}, certificate: {certificate}, {} users can sign in", portal.listen, who_sign_in(config))
}

/// How many users have a password.
fn who_sign_in(config: &Config) -> usize {
    let users = config.sip.iter().flat_map(|sip| sip.trunks.directory.users());
    users.filter(|user| user.password.is_some()).count()
}

fn sip_rows(sip: &Sip) -> [(&'static str, String); 8] {
    let trunks = &sip.trunks;
    let ours = trunks.peers.iter().filter(|peer| peer.side == Side::OnNet).count();
    [
        ("SIP addresses", listeners(sip).join(", ")),
        ("peers", format!("{} ({ours} on-net, {} off-net)", trunks.peers.len(), trunks.peers.len() - ours)),
        ("routes", trunks.routes.len().to_string()),
        ("numbers", format!("{} entries of direct inward dialling", trunks.dids.ranges().len())),
        ("users", format!("{} in {} groups", trunks.directory.users().len(), trunks.directory.groups().len())),
        ("queues", trunks.directory.queues().len().to_string()),
        ("monitoring", monitoring(&sip.monitoring)),
        ("recording", sip.recording.as_ref().map_or_else(|| "nothing is recorded".into(), recording)),
    ]
}

fn monitoring(it: &Monitoring) -> String {
    let rules = match it.rules.len() {
        0 => return "nobody monitors anybody: there is no rule".into(),
        1 => "1 rule".into(),
        count => format!("{count} rules"),
    };
    let dialling = if it.enabled { format!("by {}…", it.prefix) } else { "not by telephone".into() };
    format!("{rules}, {dialling}, {} exceptions", it.never.len())
}

fn recording(it: &Settings) -> String {
    let files = it.files.as_ref().map(|files| format!("files in {}", files.directory.display()));
    let copies = it.copies.map(|copies| format!("copies to {} ports {}", copies.address, copies.ports));
    let places: Vec<_> = files.into_iter().chain(copies).collect();
    let whose = if it.everyone { "of everyone".into() } else { format!("{} entries", it.always.len()) };
    format!("{whose}, {} exceptions: {}", it.never.len(), places.join(", "))
}

fn listeners(sip: &Sip) -> Vec<String> {
    sip.trunks.listeners.iter().map(ToString::to_string).collect()
}

fn summary_json(config: &Config, names: &Names) -> serde_json::Value {
    let media = &config.media;
    let name = |(lookup, outcome): &(Lookup, Result<Answer, String>)| {
        json!({
            "name": lookup.name,
            "service": lookup.service.map(Transport::key),
            "addresses": outcome.as_ref().ok().map(|answer| answer.all().collect::<BTreeSet<_>>()),
            "error": outcome.as_ref().err(),
        })
    };
    json!({
        "addresses": media.addresses,
        "ports": media.ports.to_string(),
        "interfaces": media.interfaces,
        "path": media.path.name(),
        "groups": media.groups,
        "pins": media.pins,
        "socket": config.control.socket,
        "database": config.storage.path,
        "keep_days": config.storage.keep_days,
        "http": config.http.map(|http| http.listen),
        "portal": config.portal.as_ref().map(|portal| json!({
            "listen": portal.listen,
            "certificate": portal.certificate.as_ref().map(|files| &files.chain),
            "users": who_sign_in(config),
        })),
        "relays": config.relays.len(),
        "copies": copies(config),
        "sip": config.sip.as_ref().map(|sip| json!({
            "listen": listeners(sip),
            "peers": sip.trunks.peers.len(),
            "routes": sip.trunks.routes.len(),
            "dids": sip.trunks.dids.ranges().len(),
            "users": sip.trunks.directory.users().len(),
            "user_groups": sip.trunks.directory.groups().len(),
            "queues": sip.trunks.directory.queues().len(),
            "monitoring": {
                "enabled": sip.monitoring.enabled,
                "prefix": sip.monitoring.prefix,
                "rules": sip.monitoring.rules.len(),
                "never": sip.monitoring.never.len(),
            },
            "recording": sip.recording.as_ref().map(Settings::told),
            "names": names.found.iter().map(name).collect::<Vec<_>>(),
            "warnings": names.unused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
    })
}

fn copies(config: &Config) -> usize {
    config.relays.iter().map(|relay| relay.from_a.copies.len() + relay.from_b.copies.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../undertone.example.toml");

    #[test]
    fn the_summary_says_whom_calls_are_traded_with() {
        let mut config = Config::parse(EXAMPLE).expect("the example");
        let args = Args { config: "undertone.toml".into(), file_only: true, json: false };
        let text = summary(&config, &args);
        let expected = "  SIP addresses   udp:192.0.2.10:5060, tcp:192.0.2.10:5060, tls:192.0.2.10:5061, \
                        udp:[2001:db8::10]:5060\n  peers           3 (1 on-net, 2 off-net)\n  routes          3\n  \
                        numbers         2 entries of direct inward dialling\n  users           2 in 1 groups\n  \
                        queues          1\n  monitoring      2 rules, by 007…, 2 exceptions\n  recording       2 entries, 1 exceptions: \
                        files in /var/lib/undertone/recordings, copies to 203.0.113.7 ports 30000-33999\n";
        assert!(text.ends_with(expected), "{text}");
        let sip = &summary_json(&config, &Names::default())["sip"];
        assert_eq!((&sip["routes"], &sip["users"], &sip["queues"]), (&json!(3), &json!(2), &json!(1)));
        config.sip = None;
        assert!(!summary(&config, &args).contains("SIP"));
        assert_eq!(summary_json(&config, &Names::default())["sip"], json!(null));
    }
}
