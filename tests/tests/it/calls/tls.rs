//! SIP over TLS: what the daemon shows, and whom it believes.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use undertone_tests::{
    Result,
    lab::{Family, Process},
};

use super::{
    baresip::tool,
    dns::Dns,
    exchange::{Over, Plan},
    ground::{Ground, Who},
    names::{host, resolver},
};
use crate::daemon::operator::{Operator, SOON, other};

/// Longer than the daemon waits for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);

/// Who issues certificates, and where they are.
struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Result<Self> {
        let authority = Self { folder: tempfile::tempdir().map_err(other)? };
        let extensions = ["-subj", "/CN=Authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        let key = authority.file("root.key");
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2"]).args(extensions).arg("-keyout").arg(key).arg("-out").arg(authority.root());
        tool(&mut openssl)?;
        Ok(authority)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn root(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// Issues a certificate for addresses: a file with it, and one with its key.
    fn issue(&self, name: &str, addresses: &[IpAddr]) -> Result<[PathBuf; 2]> {
        let names: Vec<_> = addresses.iter().map(|address| format!("IP:{address}")).collect();
        self.issue_for(name, &names.join(","))
    }

    /// Issues a certificate for names, as OpenSSL has them.
    fn issue_for(&self, name: &str, names: &str) -> Result<[PathBuf; 2]> {
        let files = [self.file(&format!("{name}.pem")), self.file(&format!("{name}.key"))];
        let (request, extensions) = (self.file("request"), self.file("extensions"));
        let text = format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={names}\n");
        fs::write(&extensions, text).map_err(other)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", &format!("/CN={name}"), "-keyout"]).arg(&files[1]).arg("-out").arg(&request);
        tool(&mut openssl)?;
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-req", "-days", "2", "-CAcreateserial", "-in"]).arg(&request);
        openssl.arg("-CA").arg(self.root()).arg("-CAkey").arg(self.file("root.key"));
        openssl.arg("-extfile").arg(&extensions).arg("-out").arg(&files[0]);
        tool(&mut openssl)?;
        Ok(files)
    }

    /// `[sip.tls]` with a certificate for our addresses towards these peers.
    fn section(&self, ground: &Ground, family: Family) -> Result<String> {
        let ours: Vec<_> = [Who::Carrier, Who::Pbx].iter().map(|who| ground.ours(*who, family)).collect();
        let [certificate, key] = self.issue("undertone", &ours)?;
        Ok(format!(
            "[sip.tls]\ncertificate = \"{}\"\nkey = \"{}\"\ntrust = \"{}\"\n",
            certificate.display(),
            key.display(),
            self.root().display()
        ))
    }

    /// A host that shows a certificate of a DNS name, and writes down what it is told.
    fn serve(&self, at: SocketAddr, name: &str) -> Result<Process> {
        let [certificate, key] = self.issue_for(name, &format!("DNS:{name}"))?;
        let mut shell = Command::new("sh");
        // It ends with its input.
        shell.args(["-c", "tail -f /dev/null | openssl s_server -quiet -accept $0 -cert $1 -key $2"]);
        shell.arg(at.to_string()).arg(certificate).arg(key);
        Process::spawn("openssl s_server", shell)
    }

    /// Lines of baresip's configuration with a certificate for an address.
    fn phone(&self, name: &str, address: IpAddr) -> Result<String> {
        let [certificate, key] = self.issue(name, &[address])?;
        let both = self.file(&format!("{name}-both.pem"));
        let read = |file: &PathBuf| fs::read_to_string(file).map_err(other);
        fs::write(&both, read(&certificate)? + &read(&key)?).map_err(other)?;
        Ok(format!("sip_certificate {}\nsip_cafile {}\n", both.display(), self.root().display()))
    }
}

fn plan(authority: &Authority) -> Result<Plan> {
    let mut plan = Plan::on(Ground::loopback()?, [(Family::V4, Over::Tls); 2]);
    plan.sip = authority.section(&plan.ground, Family::V4)?;
    Ok(plan)
}

#[test]
fn a_peer_believes_our_certificate_and_is_answered() -> Result<()> {
    let authority = Authority::new()?;
    let exchange = plan(&authority)?.start()?;
    let (ours, theirs) = (exchange.address_for(Who::Carrier), exchange.address_of(Who::Carrier));
    let mut openssl = Command::new("openssl");
    openssl.args(["s_client", "-quiet", "-verify_return_error", "-connect", &ours.to_string()]);
    openssl.args(["-bind", &format!("{}:0", theirs.ip()), "-verify_ip", &ours.ip().to_string()]);
    openssl.arg("-CAfile").arg(authority.root());
    openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = openssl.spawn().map_err(other)?;
    let options = format!(
        "OPTIONS sip:{ours} SIP/2.0\r\nVia: SIP/2.0/TLS {theirs};branch=z9hG4bKtls\r\nMax-Forwards: 70\r\n\
         From: <sip:x@{theirs}>;tag=1\r\nTo: <sip:{ours}>\r\nCall-ID: tls\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let stdin = client.stdin.as_mut().expect("a pipe");
    stdin.write_all(options.as_bytes()).and_then(|()| stdin.flush()).map_err(other)?;
    let mut heard = [0; 12];
    let answer = client.stdout.as_mut().expect("a pipe").read_exact(&mut heard);
    client.kill().and_then(|()| client.wait()).map_err(other)?;
    answer.map_err(other)?;
    assert_eq!(String::from_utf8_lossy(&heard), "SIP/2.0 200 ");
    Ok(())
}

#[test]
fn who_does_not_begin_a_handshake_is_hung_up_on() -> Result<()> {
    let authority = Authority::new()?;
    let exchange = plan(&authority)?.start()?;
    let (ours, theirs) = (exchange.address_for(Who::Carrier), exchange.address_of(Who::Carrier));
    let mut silent = connect_from(theirs.ip(), ours)?;
    silent.set_read_timeout(Some(HANDSHAKE)).map_err(other)?;
    let start = Instant::now();
    assert_eq!(silent.read(&mut [0; 16]).map_err(other)?, 0, "the connection is closed");
    assert!(start.elapsed() < HANDSHAKE);
    Ok(())
}

/// A connection from a certain address.
fn connect_from(from: IpAddr, to: SocketAddr) -> Result<std::net::TcpStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::os::fd::AsRawFd as _;
    let open = || -> nix::Result<_> {
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(from, 0)))?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(to))?;
        Ok(socket)
    };
    open().map(Into::into).map_err(other)
}

#[test]
fn who_is_known_by_name_has_to_show_a_certificate_of_that_name() -> Result<()> {
    let authority = Authority::new()?;
    let mut plan = Plan::on(Ground::loopback()?, [(Family::V4, Over::Udp), (Family::V4, Over::Tls)]);
    plan.sip = authority.section(&plan.ground, Family::V4)?;
    let (resolver, hosts) = (resolver(&plan.ground), host(&plan.ground, Who::Pbx, "one.pbx.test"));
    let _dns = Dns::start(&plan.ground, resolver, "srv-host=_sips._tcp.pbx.test,one.pbx.test,5061,1,1", &hosts)?;
    let mut exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    let config = fs::read_to_string(exchange.operator.config()).map_err(other)?;
    exchange.operator.write_config(&config.replace("options = 0", "options = 1"))?;
    exchange.operator.say(&["reload"])?.done()?;

    let at = exchange.address_of(Who::Pbx);
    let mut stranger = authority.serve(at, "other.test")?;
    exchange.daemon().wait_for_line("no TLS with a peer", SOON)?;
    stranger.kill9()?;
    authority.serve(at, "pbx.test")?.wait_for_line("OPTIONS sip:pbx.test;transport=tls SIP/2.0", SOON)?;
    assert!(stranger.lines().iter().all(|line| !line.contains("OPTIONS")), "{:?}", stranger.lines());
    Ok(())
}

#[test]
fn what_cannot_be_used_for_tls_is_told_by_check_and_run() -> Result<()> {
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let good = plan(&authority)?;
    let [_, another] = stranger.issue("another", &["192.0.2.1".parse().map_err(other)?])?;
    let key = authority.file("undertone.key").display().to_string();
    let root = authority.root().display().to_string();
    let certificate = authority.file("undertone.pem").display().to_string();
    let missing = "/nowhere/tls.pem".to_owned();
    let cases = [
        (&certificate, &missing, "cannot read the certificate /nowhere/tls.pem", "`sip.tls.certificate` names"),
        (&certificate, &key, "there is none in it", "`sip.tls.certificate` names"),
        (&key, &missing, "cannot read the private key /nowhere/tls.pem", "`sip.tls.key` names"),
        (&key, &another.display().to_string(), "cannot be used for TLS", "the key of the first certificate"),
        (&root, &missing, "cannot read the certificate /nowhere/tls.pem", "`sip.tls.trust` names"),
    ];
    let section = good.sip.clone();
    let exchange = good.start()?;
    let config = fs::read_to_string(exchange.operator.config()).map_err(other)?;
    let operator = Operator::new(None)?;
    for (right, wrong, error, way_out) in cases {
        let wrong = config.replace(&section, &section.replace(&format!("\"{right}\""), &format!("\"{wrong}\"")));
        let wrong =
            wrong.replace(&exchange.operator.socket().display().to_string(), &operator.socket().display().to_string());
        operator.write_config(&wrong)?;
        for command in ["check", "run"] {
            let said = operator.say(&[command, "--config", &operator.config().to_string_lossy()])?;
            assert!(said.exit == Some(1) && said.err.contains(error) && said.err.contains(way_out), "{said:?}");
        }
    }
    Ok(())
}

mod privileged {
    use super::*;
    use crate::calls::speech::converse;

    fn lab(authority: &Authority) -> Result<Plan> {
        let mut plan = Plan::on(Ground::lab()?, [(Family::V4, Over::Tls); 2]);
        plan.sip = authority.section(&plan.ground, Family::V4)?;
        Ok(plan)
    }

    #[test]
    fn telephones_speak_with_each_other_over_tls_on_both_sides() -> Result<()> {
        let authority = Authority::new()?;
        let exchange = lab(&authority)?.start()?;
        let phone = |who: Who| authority.phone(who.name(), exchange.ground.theirs(who, Family::V4));
        let more = [phone(Who::Carrier)?, phone(Who::Pbx)?];
        converse(&exchange, [&more[0], &more[1]])?;
        exchange.assert_idle(1).map(drop)
    }

    #[test]
    fn a_peer_whose_certificate_leads_to_no_root_of_ours_gets_no_calls() -> Result<()> {
        let (authority, stranger) = (Authority::new()?, Authority::new()?);
        let mut exchange = lab(&authority)?.start()?;
        let theirs = |who| exchange.ground.theirs(who, Family::V4);
        let carrier = authority.phone("carrier", theirs(Who::Carrier))?;
        let pbx = stranger.phone("pbx", theirs(Who::Pbx))?;
        let silence = vec![0; 80_000];
        let _pbx = exchange.phone(Who::Pbx, &silence, &pbx)?;
        let mut carrier = exchange.phone(Who::Carrier, &silence, &carrier)?;
        carrier.call(&exchange.extension(Who::Carrier))?;
        carrier.refused("500")?;
        exchange.daemon().wait_for_line("no TLS with a peer", HANDSHAKE)?;
        let records = exchange.assert_idle(1)?;
        assert_eq!(records[0]["status"], 503, "{}", records[0]);
        Ok(())
    }
}
