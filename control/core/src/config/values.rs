//! Reading single values.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use toml::de::DeValue;
use undertone_core::{Clock, Dscp};

use super::PortRange;
use crate::names::{DSCP_FORM, Named, dscp_from_text};
pub(super) use crate::trunk::names::is_host;

/// Characters of a value that a message quotes.
const QUOTED_MAX: usize = 48;
/// The longest name of a network interface, `IFNAMSIZ` without its end.
const INTERFACE_NAME_MAX: usize = 15;
/// The longest path of a Unix socket: `sun_path` without its end, and without the four characters that its name is
/// longer by while it is made.
const SOCKET_PATH_MAX: usize = 103;
/// Ports below are for services that root starts.
const PORT_MIN: u16 = 1024;

/// Why a value cannot be read.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What it should be.
    pub(super) expected: String,
    /// What to write.
    pub(super) way_out: String,
}

impl Wrong {
    pub(super) fn new(expected: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { expected: expected.into(), way_out: way_out.into() }
    }
}

/// A value as a message shows it.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quote(text),
        DeValue::Integer(number) => number.as_str().chars().take(QUOTED_MAX).collect(),
        DeValue::Float(number) => number.as_str().chars().take(QUOTED_MAX).collect(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a section".into(),
    }
}

/// A text as a message shows it.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_MAX).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(QUOTED_MAX).is_some() { "…" } else { "" };
    format!("\"{short}{more}\"")
}

/// `true` or `false`.
pub(super) fn boolean(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or_else(|| Wrong::new("true or false", "write it without quotes"))
}

/// A whole number.
pub(super) fn integer(range: RangeInclusive<u32>) -> impl Fn(&DeValue<'_>) -> Result<u32, Wrong> {
    move |value| {
        let number = number(value).filter(|number| range.contains(number));
        let (low, high) = (range.start(), range.end());
        number.ok_or_else(|| Wrong::new(format!("a number from {low} to {high}"), "write it in digits, without quotes"))
    }
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    let integer = value.as_integer()?;
    u32::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A value with a name.
pub(super) fn named<T: Named>(value: &DeValue<'_>) -> Result<T, Wrong> {
    let named = value.as_str().and_then(T::from_name);
    named.ok_or_else(|| Wrong::new(T::WHAT, format!("it is {}", T::all_names())))
}

/// The address of one host, which others can reach.
pub(super) fn host_address(value: &DeValue<'_>) -> Result<IpAddr, Wrong> {
    let wrong = |expected: &str| Wrong::new(expected, r#"write it like "192.0.2.10" or "2001:db8::10""#);
    let address: IpAddr =
        value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("an IP address without port"))?;
    if is_host(address) { Ok(address) } else { Err(wrong("an address that one host has and others can reach")) }
}

/// An address and a port to send to.
pub(super) fn destination(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let wrong = |expected: &str| Wrong::new(expected, r#"write it like "192.0.2.10:4000" or "[2001:db8::10]:4000""#);
    let socket: SocketAddr =
        value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("an IP address and a port"))?;
    let ip = socket.ip();
    let is_broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    let is_mapped = matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    if socket.port() == 0 || ip.is_unspecified() || ip.is_multicast() || is_broadcast || is_mapped {
        return Err(wrong("the address of one host, and a port other than 0"));
    }
    Ok(socket)
}

/// Media ports: two numbers with a dash between them.
pub(super) fn port_range(value: &DeValue<'_>) -> Result<PortRange, Wrong> {
    let wrong = |expected: &str| Wrong::new(expected, r#"write the first port, a dash and the last: "20000-39999""#);
    let (first, last) = value
        .as_str()
        .and_then(|text| text.split_once('-'))
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)))
        .ok_or_else(|| wrong("two ports with a dash between them"))?;
    if first < PORT_MIN {
        return Err(wrong("ports above 1023: those below belong to services of the system"));
    }
    if first >= last {
        return Err(wrong("a first port below the last"));
    }
    if first % 2 == 1 {
        return Err(wrong("an even first port: RTP takes the even one of a pair, RTCP the next"));
    }
    Ok(PortRange { first, last })
}

/// The name of a network interface.
pub(super) fn interface(value: &DeValue<'_>) -> Result<String, Wrong> {
    interface_name(value, INTERFACE_NAME_MAX)
}

/// The name of the mixer's interface: the name of its other end is one character longer.
pub(super) fn mixer_interface(value: &DeValue<'_>) -> Result<String, Wrong> {
    interface_name(value, INTERFACE_NAME_MAX - 1)
}

fn interface_name(value: &DeValue<'_>, bytes_max: usize) -> Result<String, Wrong> {
    let fits = |name: &&str| {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/' && byte != b':';
        (1..=bytes_max).contains(&name.len()) && name.bytes().all(plain) && !matches!(*name, "." | ".." | "*")
    };
    let expected = || format!("the name of a network interface, at most {bytes_max} characters");
    let name = value.as_str().filter(fits);
    name.map(Into::into).ok_or_else(|| Wrong::new(expected(), "`ip link` lists them"))
}

/// The mixer's own address.
pub(super) fn mixer_address(value: &DeValue<'_>) -> Result<Ipv4Addr, Wrong> {
    let address = value.as_str().and_then(|text| text.parse().ok());
    let first = address.filter(|address: &Ipv4Addr| address.octets()[3] == 1 && !address.is_loopback());
    first.filter(|address| !address.is_multicast() && !address.is_broadcast() && address.octets()[0] != 0).ok_or_else(
        || Wrong::new("the first IPv4 address of a /24 that nothing else uses", r#"write it like "169.254.64.1""#),
    )
}

/// A folder to pin in, or `"none"`.
pub(super) fn pins(value: &DeValue<'_>) -> Result<Option<PathBuf>, Wrong> {
    match value.as_str() {
        Some("none") => Ok(None),
        Some(text) if is_plain_path(text) => Ok(Some(text.into())),
        _ => Err(Wrong::new(
            "a folder on a BPF file system, from / on",
            r#"write it like "/sys/fs/bpf/undertone", or "none" to pin nothing"#,
        )),
    }
}

/// Where a Unix socket is to be.
pub(super) fn socket_path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path =
        value.as_str().filter(|text| is_plain_path(text) && text.len() <= SOCKET_PATH_MAX && !text.ends_with('/'));
    path.map(Into::into).ok_or_else(|| {
        Wrong::new(
            format!("the path of a socket, from / on, at most {SOCKET_PATH_MAX} bytes"),
            r#"write it like "/run/undertone/undertone.sock""#,
        )
    })
}

/// The path of a file.
pub(super) fn file(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path = value.as_str().filter(|text| is_plain_path(text) && !text.ends_with('/'));
    path.map(Into::into)
        .ok_or_else(|| Wrong::new("the path of a file, from / on", r#"write it like "/etc/undertone/tls.pem""#))
}

/// A folder that files are put into.
pub(super) fn folder(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let path = value.as_str().filter(|text| is_plain_path(text));
    path.map(Into::into)
        .ok_or_else(|| Wrong::new("a folder, from / on", r#"write it like "/var/lib/undertone/recordings""#))
}

fn is_plain_path(text: &str) -> bool {
    let path = Path::new(text);
    path.is_absolute() && path.parent().is_some() && !text.contains(char::is_control)
}

/// A clock rate in hertz.
pub(super) fn clock(value: &DeValue<'_>) -> Result<Clock, Wrong> {
    number(value).and_then(Clock::from_hz).ok_or_else(|| {
        let mut rates = Clock::ALL.map(Clock::hz);
        rates.sort_unstable();
        Wrong::new(
            "the clock rate of an RTP payload, in hertz",
            format!("it is one of {}", rates.map(|hz| hz.to_string()).join(", ")),
        )
    })
}

/// A code point by number or name.
pub(super) fn dscp(value: &DeValue<'_>) -> Result<Dscp, Wrong> {
    let by_number = || number(value).and_then(|number| u8::try_from(number).ok()).and_then(Dscp::new);
    let dscp = match value.as_str() {
        Some(name) => dscp_from_text(name),
        None => by_number(),
    };
    dscp.ok_or_else(|| Wrong::new(DSCP_FORM, "leave the key out to keep each packet's own"))
}
