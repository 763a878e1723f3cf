//! A client of the portal that says what it means, and keeps its cookie.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tungstenite::{WebSocket, client::IntoClientRequest as _};
use undertone_tests::Result;

use super::{SOON, other};

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A browser without a page.
#[derive(Clone)]
pub(super) struct Https {
    at: SocketAddr,
    tls: Arc<ClientConfig>,
    /// The cookie that it has, as it would send it.
    pub(super) cookie: Option<String>,
    /// Headers that it adds to each request.
    pub(super) more: String,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

/// What a page is told.
pub(super) struct Live(WebSocket<Stream>);

impl Answer {
    /// The value of a header; names are in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Https {
    pub(super) fn new(at: SocketAddr, certificate: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).map_err(other)?).map_err(other)?;
        let tls = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { at, tls: Arc::new(tls), cookie: None, more: String::new() })
    }

    pub(super) fn sign_in(&mut self, user: &str, password: &str) -> Result<Answer> {
        let answer = self.post("/api/v1/session", &json!({ "user": user, "password": password }))?;
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(Into::into);
        }
        Ok(answer)
    }

    pub(super) fn get(&self, path: &str) -> Result<Answer> {
        self.ask("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.ask("POST", path, Some(body))
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(Value::to_string);
        let about =
            body.as_ref().map(|body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n"));
        let (about, cookie, body) = (about.unwrap_or_default(), cookie.unwrap_or_default(), body.unwrap_or_default());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{about}{cookie}{}Connection: close\r\n\r\n{body}",
            self.at, self.more
        );
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes()).map_err(other)?;
        let mut answer = Vec::new();
        // It closes the connection without closing TLS first.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| other("no answer"))?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| other("no status"))?;
        let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.into()));
        Ok(Answer { status, head: head.into(), body })
    }

    /// Opens what a page has to itself.
    pub(super) fn live(&self) -> Result<Live> {
        let mut request = format!("wss://{}/api/v1/live", self.at).into_client_request().map_err(other)?;
        if let Some(cookie) = &self.cookie {
            request.headers_mut().insert("Cookie", cookie.parse().map_err(other)?);
        }
        let (socket, _) = tungstenite::client(request, self.connect()?).map_err(other)?;
        Ok(Live(socket))
    }

    fn connect(&self) -> Result<Stream> {
        let stream = TcpStream::connect(self.at).map_err(other)?;
        stream.set_read_timeout(Some(SOON)).map_err(other)?;
        let name = ServerName::from(self.at.ip());
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

impl Live {
    /// The next message.
    pub(super) fn next(&mut self) -> Result<Value> {
        loop {
            let message = self.0.read().map_err(other)?;
            if message.is_text() {
                return serde_json::from_str(message.to_text().map_err(other)?).map_err(other);
            }
        }
    }

    /// Messages until one is as it should be.
    pub(super) fn until(&mut self, is_one: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let message = self.next()?;
            if is_one(&message) {
                return Ok(message);
            }
        }
    }
}
