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
pub(super) struct Http(SocketAddr);

/// What follows the events of a daemon.
pub(super) struct Events(WebSocket<TcpStream>);

impl Http {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.0
    }

    /// Status and JSON.
    pub(super) fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.json("GET", path)
    }

    /// Status and JSON.
    pub(super) fn delete(&self, path: &str) -> Result<(u16, Value)> {
        self.json("DELETE", path)
    }

    /// The metrics, if every line of them is as it should be.
    pub(super) fn metrics(&self) -> Result<Metrics> {
        let (status, head, body) = self.ask("GET", "/metrics")?;
        assert!(status == 200 && head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
        Ok(Metrics::parse(&body))
    }

    /// Begins to follow events.
    pub(super) fn follow(&self) -> Result<Events> {
        let url = format!("ws://{}/api/v1/events", self.0);
        let (socket, _) = tungstenite::client(url, self.connect()?).map_err(other)?;
        Ok(Events(socket))
    }

    fn json(&self, method: &str, path: &str) -> Result<(u16, Value)> {
        let (status, head, body) = self.ask(method, path)?;
        assert!(head.contains("content-type: application/json"), "{head}");
        Ok((status, serde_json::from_str(&body).map_err(other)?))
    }

    fn ask(&self, method: &str, path: &str) -> Result<(u16, String, String)> {
        let mut stream = self.connect()?;
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.0);
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
    pub(super) fn next(&mut self) -> Result<Value> {
        let message = self.0.read().map_err(other)?;
        serde_json::from_str(message.to_text().map_err(other)?).map_err(other)
    }
}
