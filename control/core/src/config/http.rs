//! `[http]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use toml::de::DeValue;

use super::{section::Section, values::Wrong};

/// Where HTTP is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// The address and port.
    pub listen: SocketAddr,
}

impl Http {
    /// `None` without the section, and where it is wrong.
    pub(super) fn read(section: Option<Section<'_>>) -> Option<Self> {
        let section = section?;
        let listen = section.required("listen", r#"listen = "127.0.0.1:8080""#, address);
        section.finish();
        Some(Self { listen: listen?.value })
    }
}

/// An address and a port to listen at; the unspecified address is all that there are.
pub(super) fn address(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let is_one = |address: &SocketAddr| {
        let ip = address.ip();
        address.port() != 0 && !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
    };
    let address = value.as_str().and_then(|text| text.parse().ok()).filter(is_one);
    address.ok_or_else(|| {
        Wrong::new("an IP address of this host and a port", r#"write it like "127.0.0.1:8080" or "[::1]:8080""#)
    })
}

#[cfg(test)]
mod tests {
    use crate::Config;

    const EXAMPLE: &str = include_str!("../../../undertone.example.toml");
    const MEDIA: &str = "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n";

    fn config(http: &str) -> Result<Config, String> {
        Config::parse(&format!("{MEDIA}{http}")).map_err(|error| error.to_string())
    }

    #[test]
    fn left_out_nobody_answers_http() {
        assert_eq!(config("").expect("the shortest").http, None);
        let listen = Config::parse(EXAMPLE).expect("the example").http.map(|http| http.listen.to_string());
        assert_eq!(listen.as_deref(), Some("127.0.0.1:8080"));
    }

    #[test]
    fn wrong_values_are_told_with_line_and_key() {
        let address = "expected an IP address of this host and a port";
        let form = "write it like \"127.0.0.1:8080\" or \"[::1]:8080\"";
        let table = [
            (
                "[http]",
                "line 5, `http.listen`: this is missing; write for example listen = \"127.0.0.1:8080\"".to_owned(),
            ),
            ("[http]\nlisten = 8080", format!("line 6, `http.listen`: {address}, found 8080; {form}")),
            (
                "[http]\nlisten = \"127.0.0.1:0\"",
                format!("line 6, `http.listen`: {address}, found \"127.0.0.1:0\"; {form}"),
            ),
            (
                "[http]\nlisten = \"[::1]:8080\"\nport = 1",
                "line 7, `http.port`: there is no such key; known here: listen".to_owned(),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(config(text).expect_err(text), expected);
        }
    }

    #[test]
    fn another_address_takes_a_restart() {
        let running = config("").expect("the shortest");
        let with = config("[http]\nlisten = \"[::1]:8080\"").expect("with HTTP");
        let problems = with.needs_restart(&running);
        assert_eq!(problems.iter().map(|it| (it.line, it.key.as_str())).collect::<Vec<_>>(), [(6, "http.listen")]);
        assert_eq!(running.needs_restart(&with).len(), 1);
    }
}
