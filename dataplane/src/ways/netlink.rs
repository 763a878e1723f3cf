//! Questions to the kernel.
//!
//! They go through `rtnetlink`'s connection in batches, for which its typed requests have no form: one system call
//! for many routes takes less than half the time.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage};
use rtnetlink::packet_route::route::{RouteAttribute, RouteMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::proto::ConnectionHandle;
use rtnetlink::sys::{SocketAddr, protocols::NETLINK_ROUTE};

use super::WaysError;
use super::decode;
use super::view::{Adjacency, Interface, Neighbour, Route};

/// How long answers may take. The kernel answers while the questions are being sent; only what it did not answer, or
/// what could not be read, is missed for so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// A socket for questions.
pub(super) struct Netlink {
    handle: ConnectionHandle<RouteNetlinkMessage>,
}

type Request = NetlinkMessage<RouteNetlinkMessage>;
type Reply = io::Result<RouteNetlinkMessage>;

impl Netlink {
    /// Opens a socket, which the calling task's runtime serves from then on.
    pub(super) fn connect() -> Result<Self, WaysError> {
        let (connection, handle, _) = rtnetlink::proto::new_connection(NETLINK_ROUTE).map_err(WaysError::Socket)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Whether the kernel lets this process have neighbours resolved.
    pub(super) async fn check_privilege(&self) -> Result<(), WaysError> {
        // The kernel looks at the privilege first, and then finds that the message names nothing.
        let nothing = request(RouteNetlinkMessage::NewNeighbour(NeighbourMessage::default()), NLM_F_ACK);
        match self.ask_one(nothing).await {
            Err(cause) if cause.raw_os_error() == Some(libc::EPERM) => Err(WaysError::Privilege),
            _ => Ok(()),
        }
    }

    /// Every interface.
    pub(super) async fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
        let listing = self.ask(vec![request(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP)]).await?;
        let interface = |reply| match reply {
            Ok(RouteNetlinkMessage::NewLink(link)) => decode::interface(&link).map(Ok),
            other => other.err().map(Err),
        };
        listing.into_iter().filter_map(interface).collect()
    }

    /// Every neighbour.
    pub(super) async fn neighbours(&self) -> io::Result<Vec<(Adjacency, Neighbour)>> {
        let message = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let listing = self.ask(vec![request(message, NLM_F_DUMP)]).await?;
        let neighbour = |reply| match reply {
            Ok(RouteNetlinkMessage::NewNeighbour(entry)) => decode::neighbour(&entry).map(Ok),
            other => other.err().map(Err),
        };
        listing.into_iter().filter_map(neighbour).collect()
    }

    /// The route of a UDP packet that this host itself sends to each of `ips`, in their order. An error means that
    /// some answers are missing, and that it is not known which.
    pub(super) async fn routes(&self, ips: &[IpAddr]) -> io::Result<Vec<Option<Route>>> {
        let replies = self.ask(ips.iter().map(|&ip| route_request(ip)).collect()).await?;
        if replies.len() != ips.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let route = |reply| match reply {
            Ok(RouteNetlinkMessage::NewRoute(route)) => Ok(decode::route(&route)),
            Err(cause) if is_shortage(&cause) => Err(cause),
            _ => Ok(None),
        };
        replies.into_iter().map(route).collect()
    }

    /// Has the kernel find or check the neighbour at `adjacency`, and says what it knows directly afterwards; some
    /// neighbours, those on links without address resolution, are known that soon and never announced.
    pub(super) async fn resolve(&self, adjacency: Adjacency) -> io::Result<Neighbour> {
        let entry = self.neighbour(adjacency).await?;
        // A use takes the permanence from a permanent entry, and with it the MAC address: leave those alone.
        if let Some(known @ Neighbour::Known(_)) = entry {
            return Ok(known);
        }
        let mut message = neighbour_message(adjacency);
        message.header.flags = NeighbourFlags::Use;
        // Where there was no entry, one that came meanwhile is not touched: the request then fails.
        let existing = if entry.is_some() { NLM_F_REPLACE } else { NLM_F_EXCL };
        let flags = NLM_F_ACK | NLM_F_CREATE | existing;
        self.ask_one(request(RouteNetlinkMessage::NewNeighbour(message), flags)).await?;
        Ok(self.neighbour(adjacency).await?.unwrap_or_default())
    }

    async fn neighbour(&self, adjacency: Adjacency) -> io::Result<Option<Neighbour>> {
        match self.ask_one(request(RouteNetlinkMessage::GetNeighbour(neighbour_message(adjacency)), 0)).await {
            Ok(Some(RouteNetlinkMessage::NewNeighbour(entry))) => {
                Ok(decode::neighbour(&entry).map(|(_, neighbour)| neighbour))
            }
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(cause) if cause.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// The reply to one request, if it has one besides that it was carried out.
    async fn ask_one(&self, request: Request) -> io::Result<Option<RouteNetlinkMessage>> {
        self.ask(vec![request]).await?.pop().transpose()
    }

    /// The replies to requests, in their order.
    async fn ask(&self, requests: Vec<Request>) -> io::Result<Vec<Reply>> {
        let replies = self.handle.request_batch(requests, SocketAddr::new(0, 0)).map_err(io::Error::other)?;
        let replies = replies.map(|reply| match reply.payload {
            NetlinkPayload::InnerMessage(message) => Ok(message),
            NetlinkPayload::Error(refusal) => Err(refusal.to_io()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        });
        Ok(tokio::time::timeout(PATIENCE, replies.collect()).await?)
    }
}

fn request(message: RouteNetlinkMessage, flags: u16) -> Request {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | flags;
    request
}

fn route_request(ip: IpAddr) -> Request {
    let mut message = RouteMessage::default();
    message.header.address_family = family(ip);
    message.header.destination_prefix_length = if ip.is_ipv4() { 32 } else { 128 };
    message.attributes.push(RouteAttribute::Destination(ip.into()));
    message.attributes.push(RouteAttribute::IpProto(libc::IPPROTO_UDP as u8));
    request(RouteNetlinkMessage::GetRoute(message), 0)
}

fn neighbour_message(adjacency: Adjacency) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(adjacency.address);
    message.header.ifindex = adjacency.interface;
    message.attributes.push(NeighbourAttribute::Destination(adjacency.address.into()));
    message
}

/// Whether the kernel could not answer just now, which is no answer; other errors are.
fn is_shortage(cause: &io::Error) -> bool {
    let shortages = [libc::EAGAIN, libc::ENOBUFS, libc::ENOMEM, libc::EINTR];
    cause.raw_os_error().is_none_or(|code| shortages.contains(&code))
}

fn family(ip: IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}
