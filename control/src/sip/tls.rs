//! TLS around connections: what we show, and whom we believe (RFC 5246, RFC 8446; RFC 3261 §26.3).

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{
        self, ClientConfig, RootCertStore, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
    server,
};
use undertone_control_core::config::Tls;

use crate::failure::Failure;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Both sides of TLS.
#[derive(Clone)]
pub(crate) struct Identity {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Identity {
    /// Reads the files that the configuration names.
    pub(crate) fn load(config: &Tls) -> Result<Self, Failure> {
        let keys = ["sip.tls.certificate", "sip.tls.key"];
        let (chain, key) = pair(&config.certificate, &config.key, keys)?;
        let roots = roots(config.trust.as_deref())?;
        let mismatch = |error| mismatch(&config.certificate, &config.key, keys, &error);
        let provider: Arc<CryptoProvider> = ring::default_provider().into();
        let server = server(&provider, chain.clone(), key.clone_key()).map_err(mismatch)?;
        // Peers that want to see a certificate of ours are shown it.
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_root_certificates(roots).with_client_auth_cert(chain, key))
            .map_err(mismatch)?;
        Ok(Self { acceptor: Arc::new(server).into(), connector: Arc::new(client).into() })
    }

    /// The handshake of a connection that a peer has opened.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        timeout(HANDSHAKE, self.acceptor.accept(stream)).await?
    }

    /// The handshake of a connection that we have opened. The certificate has to be of `name`, or of the address.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        name: Option<String>,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = match name {
            Some(name) => ServerName::try_from(name).map_err(io::Error::other)?,
            None => ServerName::from(remote.ip()),
        };
        timeout(HANDSHAKE, self.connector.connect(name, stream)).await?
    }
}

/// What accepts connections over TLS by a certificate's chain and key, which the configuration has by these keys.
pub(crate) fn acceptor(chain: &Path, key: &Path, keys: [&str; 2]) -> Result<TlsAcceptor, Failure> {
    let (certificates, private) = pair(chain, key, keys)?;
    let server = server(&ring::default_provider().into(), certificates, private);
    Ok(Arc::new(server.map_err(|error| mismatch(chain, key, keys, &error))?).into())
}

fn server(
    provider: &Arc<CryptoProvider>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
}

/// A certificate, those that lead to its root, and its key.
fn pair(
    chain: &Path,
    key: &Path,
    [chain_key, key_key]: [&str; 2],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let certificates = certificates(chain, chain_key)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        let way_out = format!("`{key_key}` names a PEM file that the daemon's user can read, with the key unencrypted");
        unusable("private key", key, &error).with_way_out(way_out)
    })?;
    Ok((certificates, private))
}

fn mismatch(chain: &Path, key: &Path, [chain_key, key_key]: [&str; 2], error: &rustls::Error) -> Failure {
    let files = format!("{} and {}", chain.display(), key.display());
    Failure::new(format!("{files} cannot be used for TLS: {error}")).with_way_out(format!(
        "`{key_key}` is the key of the first certificate in `{chain_key}`; those that lead to its root follow"
    ))
}

/// Whom we believe that a peer is who its certificate says.
fn roots(trust: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let Some(file) = trust else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let error = "this system has no root certificates, so no peer could be believed over TLS";
            let way_out = "install them (package ca-certificates), or name a PEM file with them: `sip.tls.trust`";
            return Err(Failure::new(error).with_way_out(way_out));
        }
        return Ok(roots);
    };
    for certificate in certificates(file, "sip.tls.trust")? {
        roots.add(certificate).map_err(|error| {
            unusable("certificate", file, &error).with_way_out("`sip.tls.trust` names a PEM file of root certificates")
        })?;
    }
    Ok(roots)
}

fn certificates(file: &Path, key: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let way_out = format!("`{key}` names a PEM file that the daemon's user can read, with a certificate in it");
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unusable("certificate", file, &error).with_way_out(&way_out))?;
    if read.is_empty() {
        return Err(unusable("certificate", file, &"there is none in it").with_way_out(way_out));
    }
    Ok(read)
}

fn unusable(what: &str, file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("cannot read the {what} {}: {error}", file.display()))
}
