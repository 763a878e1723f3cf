//! What browsers are shown of us: a certificate of the operator's, or one that we make.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jiff::{Span, Timestamp, tz::TimeZone};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use tokio_rustls::TlsAcceptor;
use tracing::info;
use undertone_control_core::config::{Certificate, Portal};

use crate::{failure::Failure, sip::tls};

/// Beside the database.
const CHAIN: &str = "portal-certificate.pem";
const KEY: &str = "portal-key.pem";
/// Browsers take none for longer.
const DAYS: i64 = 397;
const KEYS: [&str; 2] = ["portal.certificate", "portal.key"];

/// What browsers are shown.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(super) acceptor: TlsAcceptor,
}

impl Shown {
    /// That of the files that the configuration names, or else that of the files in `folder`, which are made if they are not there.
    pub(crate) fn open(config: &Portal, folder: &Path) -> Result<Self, Failure> {
        let own = || Certificate { chain: folder.join(CHAIN), key: folder.join(KEY) };
        let (files, is_own) = match &config.certificate {
            Some(files) => (files.clone(), false),
            None => (own(), true),
        };
        if is_own && !(files.chain.exists() && files.key.exists()) {
            make(&files, config.listen).map_err(|error| unmade(folder, &error))?;
            info!(certificate = %files.chain.display(), "made a certificate for the portal: browsers ask whether to believe it");
        }
        Ok(Self { acceptor: tls::acceptor(&files.chain, &files.key, KEYS)? })
    }

    /// Looks whether the files that the configuration names can be used.
    pub(crate) fn check(config: &Portal) -> Result<(), Failure> {
        let files = config.certificate.as_ref();
        files.map_or(Ok(()), |files| tls::acceptor(&files.chain, &files.key, KEYS).map(drop))
    }
}

/// Makes a key and a certificate of our own. The certificate is there only when the key is.
fn make(files: &Certificate, listen: SocketAddr) -> io::Result<()> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names.dedup();
    let mut parameters = CertificateParams::new(names).map_err(io::Error::other)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "Undertone");
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |days: i64| {
        let date = today.saturating_add(Span::new().days(days));
        date_time_ymd(i32::from(date.year()), date.month() as u8, date.day() as u8)
    };
    // Clocks differ.
    (parameters.not_before, parameters.not_after) = (day(-1), day(DAYS - 1));
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = parameters.self_signed(&key).map_err(io::Error::other)?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(&files.chain, &certificate.pem(), 0o644)
}

/// A file is there whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let unfinished: PathBuf = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

fn unmade(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot make a certificate for the portal in {}: {error}", folder.display()))
        .with_way_out("let the daemon's user write there, or name one: `portal.certificate` and `portal.key`")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use undertone_control_core::portal::Terms;

    use super::*;

    fn portal(certificate: Option<Certificate>) -> Portal {
        let listen = ([192, 0, 2, 1], 8443).into();
        Portal { listen, certificate, terms: Terms { idle_ms: 1, lifetime_ms: 1 } }
    }

    #[test]
    fn a_certificate_is_made_once_and_its_key_is_the_daemons_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = |name: &str| fs::read(folder.path().join(name)).expect(name);
        assert!(Shown::open(&portal(None), folder.path()).is_ok());
        let mode = fs::metadata(folder.path().join(KEY)).expect("a key").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = [read(CHAIN), read(KEY)];
        assert!(Shown::open(&portal(None), folder.path()).is_ok());
        assert_eq!([read(CHAIN), read(KEY)], before);
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = Certificate { chain: folder.path().join("chain.pem"), key: folder.path().join("key.pem") };
        let error = Shown::open(&portal(Some(missing)), folder.path()).err().expect("no such file").sentences();
        assert!(error.contains("chain.pem") && error.contains("portal.certificate"), "{error}");
        let error =
            Shown::open(&portal(None), Path::new("/proc/no-such-folder")).err().expect("no such folder").sentences();
        assert!(error.contains("portal.certificate"), "{error}");
    }
}
