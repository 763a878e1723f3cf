//! Reading single values that are about SIP.

use std::net::{IpAddr, SocketAddr};

use toml::de::DeValue;

use crate::{
    call::Role,
    config::values::{Wrong, is_host},
    identity::{Source, normalised},
    names::Named,
    sip::Transport,
    trunk::Listener,
};

/// Characters of a name.
const NAME_MAX: usize = 40;
/// Characters of a number, or of what is put in its place.
const NUMBER_MAX: usize = 64;
/// Characters of an extension.
const EXTENSION_MAX: usize = 32;
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

/// An address to send requests to, with or without a port.
pub(super) fn target(value: &DeValue<'_>) -> Result<(IpAddr, Option<u16>), Wrong> {
    let wrong = |expected: &str| Wrong::new(expected, r#"write it like "198.51.100.1:5060" or "[2001:db8::1]:5060""#);
    let text = value.as_str();
    let whole = text.and_then(|text| text.parse::<SocketAddr>().ok()).map(|it| (it.ip(), Some(it.port())));
    let (ip, port) = whole
        .or_else(|| Some((text?.parse().ok()?, None)))
        .ok_or_else(|| wrong("an IP address, with or without a port"))?;
    if port == Some(0) || !is_host(ip) {
        return Err(wrong("the address of one host, and a port other than 0"));
    }
    Ok((ip, port))
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
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let is_name = |name: &&str| name.len() <= 253 && name.split('.').all(is_label);
    value.as_str().filter(is_name).map(Into::into).ok_or_else(|| {
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

fn text(value: &DeValue<'_>, bytes_max: usize, is_good: impl Fn(u8) -> bool) -> Option<String> {
    let fits = |text: &&str| (1..=bytes_max).contains(&text.len()) && text.bytes().all(&is_good);
    value.as_str().filter(fits).map(Into::into)
}
