//! What parties write, and what becomes of it.

mod hostile;
mod multipart;
mod policy;
mod read;
mod rewrite;
mod samples;

use std::net::{IpAddr, SocketAddr};

use super::*;

/// An anchor with RTCP on the next port.
fn pair(address: &str, port: u16) -> Treatment {
    Treatment::Anchor(Anchor { address: ip(address), port, rtcp: Some(port + 1) })
}

/// An anchor without a port for RTCP.
fn single(address: &str, port: u16) -> Treatment {
    Treatment::Anchor(Anchor { address: ip(address), port, rtcp: None })
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// What a relay asks for as a rule.
const RELAY: Options<'static> = Options { remove_alternatives: true, codecs: None };

fn parse(body: &[u8]) -> Sdp<'_> {
    Sdp::parse(body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()))
}

/// The only media line.
fn line(body: &str) -> MediaLine<'_> {
    let sdp = parse(body.as_bytes());
    assert_eq!(sdp.media().len(), 1, "{body}");
    sdp.media()[0].clone()
}

/// `body` rewritten, as text.
fn rewritten(body: &str, treatments: &[Treatment], options: Options<'_>) -> String {
    String::from_utf8(parse(body.as_bytes()).rewrite(treatments, &options)).expect("text in, text out")
}

/// The lines that `new` has in the place of `old`'s: `-` before a line that is gone, `+` before one that came.
fn changes(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut changes = Vec::new();
    let (mut from, mut to) = (0, 0);
    while from < old.len() || to < new.len() {
        if old.get(from) == new.get(to) {
            (from, to) = (from + 1, to + 1);
        } else if old.get(from).is_some_and(|line| !new[to..].contains(line)) {
            changes.push(format!("-{}", old[from].trim_end()));
            from += 1;
        } else {
            changes.push(format!("+{}", new[to].trim_end()));
            to += 1;
        }
    }
    changes
}
