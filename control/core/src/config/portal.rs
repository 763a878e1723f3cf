//! `[portal]`.

use std::{net::SocketAddr, path::PathBuf};

use super::{http, section::Section, values};
use crate::portal::Terms;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// How long who asks for nothing stays signed in, and how long anybody, unless the configuration says otherwise.
const IDLE_MINUTES_DEFAULT: u32 = 30;
const LIFETIME_HOURS_DEFAULT: u32 = 12;
/// A day, and a month: a page on the wall has nobody to sign in.
const IDLE_MINUTES_MAX: u32 = 31 * 24 * 60;
const LIFETIME_HOURS_MAX: u32 = 31 * 24;

/// Where the supervisors' page is, and how long somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// The address and port of HTTPS.
    pub listen: SocketAddr,
    /// What we show to browsers; `None` for a certificate that we make ourselves.
    pub certificate: Option<Certificate>,
    /// How long sign-ins last.
    pub terms: Terms,
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, and those that lead to its root.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Portal {
    /// `None` without the section, and where it is wrong. Who signs in is a user of `[sip]`.
    pub(super) fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("portal")?;
        if !root.has("sip") {
            let way_out = "write [sip], [[peer]] and [[user]], or remove it";
            root.complain(
                &root.place_of("portal"),
                "there is a [portal] and no [sip], so there is nothing to see on it",
                way_out,
            );
        }
        let listen = section.required("listen", r#"listen = "0.0.0.0:8443""#, http::address);
        let before = section.complaints();
        let certificate = Certificate::read(&section);
        let idle = section.or_default("idle-minutes", values::integer(1..=IDLE_MINUTES_MAX), IDLE_MINUTES_DEFAULT);
        let lifetime =
            section.or_default("lifetime-hours", values::integer(1..=LIFETIME_HOURS_MAX), LIFETIME_HOURS_DEFAULT);
        let is_whole = section.complaints() == before;
        section.finish();
        let terms = Terms { idle_ms: u64::from(idle?) * MINUTE_MS, lifetime_ms: u64::from(lifetime?) * HOUR_MS };
        Some(Self { listen: listen?.value, certificate, terms }).filter(|_| is_whole)
    }
}

impl Certificate {
    fn read(section: &Section<'_>) -> Option<Self> {
        let [chain, key] = ["certificate", "key"].map(|key| section.optional(key, values::file));
        match (chain, key) {
            (Some(chain), Some(key)) => Some(Self { chain: chain.value, key: key.value }),
            (None, None) => None,
            (Some(alone), None) | (None, Some(alone)) => {
                let way_out = "write both, or neither to have a certificate made";
                section.complain(&alone.place, "`certificate` and `key` belong together, and one is missing", way_out);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Config;

    const EXAMPLE: &str = include_str!("../../../undertone.example.toml");
    const BEFORE: &str = "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n\
        [sip]\nlisten = [\"udp:10.0.0.1:5060\"]\n";

    fn config(portal: &str) -> Result<Config, String> {
        Config::parse(&format!("{BEFORE}{portal}")).map_err(|error| error.to_string())
    }

    #[test]
    fn left_out_there_is_no_page() {
        assert_eq!(config("").expect("no portal").portal, None);
        let portal = Config::parse(EXAMPLE).expect("the example").portal.expect("its portal");
        assert_eq!((portal.terms.idle_ms, portal.terms.lifetime_ms), (30 * 60_000, 12 * 3_600_000));
        let portal = config("[portal]\nlisten = \"[::]:8443\"\n").expect("a portal").portal.expect("it");
        assert_eq!((portal.listen.port(), portal.certificate), (8443, None));
    }

    #[test]
    fn wrong_values_are_told_with_line_and_key() {
        let table = [
            ("[portal]\n", "line 7, `portal.listen`: this is missing; write for example listen = \"0.0.0.0:8443\""),
            (
                "[portal]\nlisten = \"[::]:8443\"\nkey = \"/etc/key.pem\"\n",
                "line 9, `portal.key`: `certificate` and `key` belong together, and one is missing; write both, or neither to have a certificate made",
            ),
            (
                "[portal]\nlisten = \"[::]:8443\"\nidle-minutes = 0\n",
                "line 9, `portal.idle-minutes`: expected a number from 1 to 44640, found 0; write it in digits, without quotes",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(config(text).expect_err(text), expected);
        }
        let without_sip = "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n[portal]\nlisten = \"[::]:8443\"\n";
        let error = Config::parse(without_sip).expect_err("nobody to sign in").to_string();
        assert!(error.starts_with("line 5, `portal`: there is a [portal] and no [sip]"), "{error}");
    }

    #[test]
    fn another_address_takes_a_restart_and_other_terms_do_not() {
        let running = config("[portal]\nlisten = \"[::]:8443\"\n").expect("a portal");
        let problems = |text: &str| {
            let problems = config(text).expect("a portal").needs_restart(&running);
            problems.iter().map(|it| it.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(problems("[portal]\nlisten = \"[::]:443\"\n"), ["portal.listen"]);
        assert_eq!(
            problems("[portal]\nlisten = \"[::]:8443\"\ncertificate = \"/c\"\nkey = \"/k\"\n"),
            ["portal.certificate"]
        );
        assert_eq!(problems(""), ["portal.listen"]);
        assert!(problems("[portal]\nlisten = \"[::]:8443\"\nidle-minutes = 5\n").is_empty());
    }
}
