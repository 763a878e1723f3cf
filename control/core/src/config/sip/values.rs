//! Reading single values that are about SIP.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use toml::de::DeValue;

use crate::{
    call::Role,
    config::values::{Wrong, is_host},
    identity::{Source, normalised},
    names::Named,
    sip::Transport,
    trunk::Listener,
};

/// Characters of a host name, so that the name of its SRV records is one too.
const DNS_NAME_MAX: usize = 240;
/// The port of DNS servers.
const DNS_PORT: u16 = 53;
/// Characters of a name.
const NAME_MAX: usize = 40;
/// Characters of a number, or of what is put in its place.
const NUMBER_MAX: usize = 64;
/// Characters of an extension.
const EXTENSION_MAX: usize = 32;
/// Keys of a code.
const CODE_MAX: usize = 8;
/// Characters of a name for people.
const LABEL_MAX: usize = 80;
/// Characters of a regular expression.
const EXPRESSION_MAX: usize = 256;

/// A transport, an address and a port of ours.
pub(super) fn listener(value: &DeValue<'_>) -> Result<Listener, Wrong> {
    let wrong =
        |expected: &str| Wrong::new(expected, r#"write it like "udp:192.0.2.10:5060" or "tls:[2001:db8::10]:5061""#);
    let (transport, address): (_, SocketAddr) = value
        .as_str()
        .and_then(|text| text.split_once(':'))
        .and_then(|(transport, address)| Some((<Transport as Named>::from_name(transport)?, address.parse().ok()?)))
        .ok_or_else(|| wrong("a transport, an IP address and a port, with colons between them"))?;
    if address.port() == 0 || !is_host(address.ip()) {
        return Err(wrong("an address that this host has and others can reach, and a port other than 0"));
    }
    Ok(Listener { transport, address })
}

/// A host, by its address or its DNS name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(formatter),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

/// A host that messages come from.
pub(super) fn host(value: &DeValue<'_>) -> Result<Host, Wrong> {
    let wrong =
        |expected: &str| Wrong::new(expected, r#"write it like "192.0.2.10", "2001:db8::10" or "sip.carrier.example""#);
    let text = value.as_str();
    match text.and_then(|text| text.parse().ok()) {
        Some(ip) if is_host(ip) => Ok(Host::Ip(ip)),
        Some(_) => Err(wrong("an address that one host has and others can reach")),
        None => {
            text.and_then(dns_name).map(Host::Name).ok_or_else(|| wrong("an IP address or a DNS name, without port"))
        }
    }
}

/// A host to send requests to, with or without a port.
pub(super) fn target(value: &DeValue<'_>) -> Result<(Host, Option<u16>), Wrong> {
    let wrong = |expected: &str| {
        let way_out = r#"write it like "198.51.100.1:5060", "[2001:db8::1]:5060", "sip.carrier.example" or "sip.carrier.example:5060""#;
        Wrong::new(expected, way_out)
    };
    let text = value.as_str();
    let whole = text.and_then(|text| text.parse::<SocketAddr>().ok()).map(|it| (Host::Ip(it.ip()), Some(it.port())));
    let named = || {
        let text = text?;
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (text, None),
        };
        Some((Host::Name(dns_name(name)?), port))
    };
    let (host, port) = whole
        .or_else(|| Some((Host::Ip(text?.parse().ok()?), None)))
        .or_else(named)
        .ok_or_else(|| wrong("an IP address or a DNS name, with or without a port"))?;
    if port == Some(0) || matches!(host, Host::Ip(ip) if !is_host(ip)) {
        return Err(wrong("the address of one host, and a port other than 0"));
    }
    Ok((host, port))
}

/// A DNS server, with or without a port.
pub(super) fn resolver(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let text = value.as_str();
    let bare = || Some(SocketAddr::new(text?.parse().ok()?, DNS_PORT));
    let address = text.and_then(|text| text.parse().ok()).or_else(bare);
    address.filter(|address| address.port() != 0 && is_host(address.ip())).ok_or_else(|| {
        Wrong::new(
            "the IP address of a DNS server, with or without a port",
            r#"write it like "192.0.2.53" or "[2001:db8::53]:5353""#,
        )
    })
}

/// A DNS name (RFC 1123 §2.1) in lower case. One whose last label is a number would be an address.
fn dns_name(text: &str) -> Option<String> {
    let is_address = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (is_host_name(text) && !is_address).then(|| text.to_ascii_lowercase())
}

/// The name of a peer or group: it stands in metrics, on command lines and in files.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value, NAME_MAX, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)).ok_or_else(|| {
        Wrong::new(
            format!("a name of at most {NAME_MAX} characters: a to z, A to Z, digits, `-`, `_` and `.`"),
            r#"write it like "carrier-2""#,
        )
    })
}

/// The encoding name of a codec (RFC 8866 §6.6).
pub(super) fn codec(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value, NAME_MAX, |byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte)).ok_or_else(|| {
        Wrong::new("the name of a codec as SDP has it, without its clock rate", r#"write it like "PCMA" or "opus""#)
    })
}

/// The DNS name in a certificate.
pub(super) fn certificate_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    value.as_str().filter(|name| is_host_name(name)).map(Into::into).ok_or_else(|| {
        Wrong::new(
            "a host name as certificates have it",
            r#"write it like "sip.carrier.example", or leave the key out"#,
        )
    })
}

/// A part of a number.
pub(super) fn number(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value, NUMBER_MAX, |byte| byte.is_ascii_graphic()).ok_or_else(|| {
        Wrong::new(
            format!("1 to {NUMBER_MAX} characters without spaces, in quotes"),
            r#"write it like "+49", or leave the key out"#,
        )
    })
}

/// An extension, without visual separators.
pub(super) fn extension(value: &DeValue<'_>) -> Result<String, Wrong> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"*#+-_.()".contains(&byte);
    let text = text(value, EXTENSION_MAX, is_good).map(|text| normalised(&text));
    text.filter(|text| !text.is_empty()).ok_or_else(|| {
        Wrong::new(
            format!("an extension of at most {EXTENSION_MAX} characters, in quotes: digits, or letters and digits"),
            r#"write it like "100""#,
        )
    })
}

/// An extension, or the name of a user, a group of users or a queue.
pub(super) fn extension_or_name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"*#+-_.()".contains(&byte);
    text(value, NAME_MAX, is_good).ok_or_else(|| {
        Wrong::new(
            "an extension, or the name of a user, a group of users or a queue",
            r#"write it like "100" or "ann""#,
        )
    })
}

/// An emergency number, without visual separators.
pub(super) fn emergency(value: &DeValue<'_>) -> Result<String, Wrong> {
    let number = text(value, EXTENSION_MAX, |byte| byte.is_ascii_digit() || b"*#+-.() ".contains(&byte));
    let number =
        number.map(|text| normalised(&text)).filter(|text| text.contains(|letter: char| letter.is_ascii_digit()));
    number.ok_or_else(|| {
        Wrong::new(format!("a number of at most {EXTENSION_MAX} digits, in quotes"), r#"write it like "112""#)
    })
}

/// What is dialled for a feature.
pub(super) fn code(value: &DeValue<'_>) -> Result<String, Wrong> {
    text(value, CODE_MAX, |byte| byte.is_ascii_digit() || b"*#".contains(&byte)).ok_or_else(|| {
        Wrong::new(
            format!("1 to {CODE_MAX} keys of a telephone, in quotes: digits, `*` and `#`"),
            r#"write it like "*80""#,
        )
    })
}

/// The same, or `None` for what cannot be dialled.
pub(super) fn code_or_none(value: &DeValue<'_>) -> Result<Option<String>, Wrong> {
    match value.as_str() {
        Some("none") => Ok(None),
        _ => code(value)
            .map(Some)
            .map_err(|wrong| Wrong { way_out: r#"write it like "*80", or "none""#.into(), ..wrong }),
    }
}

/// A time of day as minutes since midnight.
pub(super) fn clock_time(range: RangeInclusive<u16>) -> impl Fn(&DeValue<'_>) -> Result<u16, Wrong> {
    let minutes = |text: &str| {
        let (hours, minutes) =
            text.split_once(':').filter(|(hours, minutes)| hours.len() == 2 && minutes.len() == 2)?;
        let number =
            |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok());
        let (hours, minutes) = (number(hours)??, number(minutes)??);
        (minutes < 60).then_some(hours * 60 + minutes)
    };
    move |value| {
        let minutes = value.as_str().and_then(minutes).filter(|minutes| range.contains(minutes));
        let shown = |minutes: &u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        minutes.ok_or_else(|| {
            Wrong::new(
                format!("a time of day from {} to {}", shown(range.start()), shown(range.end())),
                r#"write hours and minutes, like "08:30""#,
            )
        })
    }
}

/// A name for people.
pub(super) fn label(value: &DeValue<'_>) -> Result<String, Wrong> {
    let fits = |text: &&str| (1..=LABEL_MAX).contains(&text.chars().count()) && !text.contains(char::is_control);
    value
        .as_str()
        .filter(fits)
        .map(Into::into)
        .ok_or_else(|| Wrong::new(format!("a name of at most {LABEL_MAX} characters"), r#"write it like "Ann Miller""#))
}

/// Where it is said who a party of this role is.
pub(super) fn source(role: Role) -> impl Fn(&DeValue<'_>) -> Result<Source, Wrong> {
    move |value| {
        let name = value.as_str().unwrap_or_default();
        let is_fit = |source: &Source| matches!(source, Source::Header(_)) || Source::names(role).any(|it| it == name);
        let who = if role == Role::Caller { "who calls" } else { "who is called" };
        Source::from_name(name).filter(is_fit).ok_or_else(|| {
            let names: Vec<_> = Source::names(role).map(|name| format!("\"{name}\"")).collect();
            let way_out = format!("it is {} or \"header:X-Name\"", names.join(", "));
            Wrong::new(format!("a source that says {who}"), way_out)
        })
    }
}

/// What is said of how a regular expression is written.
pub(super) const EXPRESSION_FORM: &str = r"write it in single quotes, like '00(\d+)'";

/// A regular expression, not looked into yet.
pub(super) fn expression(value: &DeValue<'_>) -> Result<String, Wrong> {
    let plain = |text: &&str| (1..=EXPRESSION_MAX).contains(&text.len()) && !text.contains(char::is_control);
    value.as_str().filter(plain).map(Into::into).ok_or_else(|| {
        Wrong::new(format!("a regular expression of at most {EXPRESSION_MAX} characters"), EXPRESSION_FORM)
    })
}

/// Whether a text is labels with dots between them.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= DNS_NAME_MAX && name.split('.').all(is_label)
}

fn text(value: &DeValue<'_>, bytes_max: usize, is_good: impl Fn(u8) -> bool) -> Option<String> {
    let fits = |text: &&str| (1..=bytes_max).contains(&text.len()) && text.bytes().all(&is_good);
    value.as_str().filter(fits).map(Into::into)
}
