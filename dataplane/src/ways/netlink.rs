//! Questions to the kernel.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::Handle;
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::LinkExtentMask;
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::WaysError;
use super::decode;
use super::view::{Adjacency, Interface, Neighbour, Route};

/// How long an answer may take. The kernel answers while the question is being sent; only a lost or undecodable
/// answer takes longer.
const PATIENCE: Duration = Duration::from_millis(500);

/// A socket for questions.
pub(super) struct Netlink {
    handle: Handle,
}

impl Netlink {
    /// Opens a socket, which the calling task's runtime serves from then on.
    pub(super) fn connect() -> Result<Self, WaysError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(WaysError::Socket)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Whether the kernel lets this process have neighbours resolved.
    pub(super) async fn check_privilege(&self) -> Result<(), WaysError> {
        // The kernel looks at the privilege first, and then finds that there is no interface 0.
        let request = self.handle.neighbours().add(0, IpAddr::from([0, 0, 0, 0])).state(NeighbourState::None);
        match answer(request.execute()).await {
            Err(cause) if cause.raw_os_error() == Some(libc::EPERM) => Err(WaysError::Privilege),
            _ => Ok(()),
        }
    }

    /// Every interface.
    pub(super) async fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let request = self.handle.link().get();
        let request = request.set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
        answer(request.execute().try_filter_map(async |link| Ok(decode::interface(&link))).try_collect()).await
    }

    /// Every neighbour.
    pub(super) async fn neighbours(&self) -> io::Result<Vec<(Adjacency, Neighbour)>> {
        let request = self.handle.neighbours().get();
        answer(request.execute().try_filter_map(async |entry| Ok(decode::neighbour(&entry))).try_collect()).await
    }

    /// The route of a UDP packet that this host itself sends to `ip`; an error is no answer at all.
    pub(super) async fn route(&self, ip: IpAddr) -> io::Result<Option<Route>> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(ip);
        message.header.destination_prefix_length = if ip.is_ipv4() { 32 } else { 128 };
        message.attributes.push(RouteAttribute::Destination(ip.into()));
        message.attributes.push(RouteAttribute::IpProto(libc::IPPROTO_UDP as u8));
        let mut replies = Box::pin(self.handle.route().get(message).execute());
        match answer(replies.try_next()).await {
            Ok(Some(reply)) => Ok(decode::route(&reply)),
            Ok(None) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(cause) if is_final(&cause) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// Has the kernel find or check the neighbour at `adjacency`, and says what it knows directly afterwards; some
    /// neighbours, those on links without address resolution, are known that soon and never announced.
    pub(super) async fn resolve(&self, adjacency: Adjacency) -> io::Result<Neighbour> {
        let entry = self.neighbour(adjacency).await?;
        // A use takes the permanence from a permanent entry, and with it the MAC address: leave those alone.
        if let Some(known @ Neighbour::Known(_)) = entry {
            return Ok(known);
        }
        let Adjacency { interface, address } = adjacency;
        let request = self.handle.neighbours().add(interface, address);
        let request = request.state(NeighbourState::None).flags(NeighbourFlags::Use);
        // Where there was no entry, one that came meanwhile is not touched: the request then fails.
        let request = if entry.is_some() { request.replace() } else { request };
        answer(request.execute()).await?;
        Ok(self.neighbour(adjacency).await?.unwrap_or_default())
    }

    async fn neighbour(&self, adjacency: Adjacency) -> io::Result<Option<Neighbour>> {
        let mut message = NeighbourMessage::default();
        message.header.family = family(adjacency.address);
        message.header.ifindex = adjacency.interface;
        message.attributes.push(NeighbourAttribute::Destination(adjacency.address.into()));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(message));
        request.header.flags = NLM_F_REQUEST;
        let mut replies = self.handle.clone().request(request).map_err(io::Error::other)?;
        let reply = answer(async { Ok(replies.next().await) }).await?;
        match reply.map(|reply| reply.payload) {
            Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(entry))) => {
                Ok(decode::neighbour(&entry).map(|(_, neighbour)| neighbour))
            }
            Some(NetlinkPayload::Error(refusal)) if refusal.raw_code() == -libc::ENOENT => Ok(None),
            Some(NetlinkPayload::Error(refusal)) => Err(refusal.to_io()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Waits for an answer, but not for ever.
async fn answer<T>(answer: impl Future<Output = Result<T, rtnetlink::Error>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(rtnetlink::Error::NetlinkError(refusal))) => Err(refusal.to_io()),
        Ok(Err(other)) => Err(io::Error::other(other)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Whether the kernel refused for a reason that lies in the question, and not in a shortage of its own.
fn is_final(cause: &io::Error) -> bool {
    let shortage = [libc::EAGAIN, libc::ENOBUFS, libc::ENOMEM, libc::EINTR];
    cause.raw_os_error().is_some_and(|code| !shortage.contains(&code))
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
