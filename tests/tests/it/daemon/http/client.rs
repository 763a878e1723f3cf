//! A client that says what it means byte by byte.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;
use tungstenite::WebSocket;
use undertone_tests::Result;

use super::{Metrics, SOON, other};

/// Where a daemon answers HTTP.
pub(crate) struct Http(SocketAddr);

/// What follows the events of a daemon.
pub(crate) struct Events(WebSocket<TcpStream>);

impl Http {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.0
    }

    /// Status and JSON.
    pub(crate) fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.json("GET", path, None)
    }

    /// Status and JSON.
    pub(crate) fn delete(&self, path: &str) -> Result<(u16, Value)> {
        self.json("DELETE", path, None)
    }

    /// Status and JSON, for a body of JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.json("POST", path, Some(body))
    }

    /// Status and JSON, for a body of JSON.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.json("PATCH", path, Some(body))
    }

    /// The metrics, if every line of them is as it should be.
    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let (status, head, body) = self.ask("GET", "/metrics", None)?;
        assert!(status == 200 && head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
        Ok(Metrics::parse(&body))
    }

    /// Begins to follow events.
    pub(crate) fn follow(&self) -> Result<Events> {
        let url = format!("ws://{}/api/v1/events", self.0);
        let (socket, _) = tungstenite::client(url, self.connect()?).map_err(other)?;
        Ok(Events(socket))
    }

    fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let (status, head, body) = self.ask(method, path, body)?;
        assert!(head.contains("content-type: application/json"), "{head}");
        Ok((status, serde_json::from_str(&body).map_err(other)?))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, String, String)> {
        let mut stream = self.connect()?;
        let body = body.map(Value::to_string);
        let about =
            body.as_ref().map(|body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        let (about, body) = (about.unwrap_or_default(), body.unwrap_or_default());
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{about}Connection: close\r\n\r\n{body}", self.0);
        stream.write_all(request.as_bytes()).map_err(other)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(other)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| other("no answer"))?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| other("no status"))?;
        Ok((status, head.into(), body.into()))
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.0).map_err(other)?;
        stream.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok(stream)
    }
}

impl Events {
    /// The next event.
    pub(crate) fn next(&mut self) -> Result<Value> {
        let message = self.0.read().map_err(other)?;
        serde_json::from_str(message.to_text().map_err(other)?).map_err(other)
    }
}
