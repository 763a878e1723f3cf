//! Where media may be sent: what a description says is a stranger's wish.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{MediaLine, SdpError};

/// Ports below belong to services: DNS and the like are not made to receive RTP.
const PORT_MIN: u16 = 1024;

/// Where media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// To this address.
    To(SocketAddr),
    /// Nowhere for now: the null address stands there.
    Nowhere,
}

/// Where the media of a line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destinations {
    /// RTP, or whatever the line carries.
    pub media: Where,
    /// RTCP that is not muxed; `None` where the line has none.
    pub rtcp: Option<Where>,
}

/// Whether media may be sent to `destination`. `ours` are the addresses that media must not be sent to because it
/// would come back to us: the media addresses and the mixer's. Loopback is reachable only where one of them is on it.
pub fn check(destination: SocketAddr, ours: &[IpAddr]) -> Result<Where, SdpError> {
    let address = destination.ip();
    if address.is_unspecified() {
        return Ok(Where::Nowhere);
    }
    if ours.contains(&address.to_canonical()) {
        return Err(SdpError::Loop);
    }
    if !is_host(address) {
        return Err(SdpError::NotAHost);
    }
    if !is_reachable(address, ours) {
        return Err(SdpError::NotReachable);
    }
    if destination.port() < PORT_MIN {
        return Err(SdpError::Port);
    }
    Ok(Where::To(destination))
}

/// Whether the media of a line that is not rejected may be sent where it says.
pub fn check_line(line: &MediaLine<'_>, ours: &[IpAddr]) -> Result<Destinations, SdpError> {
    if line.port_count > 1 {
        return Err(SdpError::PortCount);
    }
    let media = check(line.destination.ok_or(SdpError::NotAnAddress)?, ours)?;
    let rtcp = match line.rtcp.map(|rtcp| check(rtcp, ours)) {
        // Who muxes may write anything there: it is for peers that do not.
        Some(Err(_)) if line.rtcp_mux => None,
        Some(Err(error)) => return Err(error),
        Some(Ok(rtcp)) => Some(rtcp),
        None => None,
    };
    Ok(Destinations { media, rtcp })
}

fn is_host(address: IpAddr) -> bool {
    match address {
        // "This network" and what is reserved, the broadcast address included.
        IpAddr::V4(v4) => !v4.is_multicast() && v4 >= Ipv4Addr::new(1, 0, 0, 0) && v4 < Ipv4Addr::new(240, 0, 0, 0),
        IpAddr::V6(v6) => !v6.is_multicast(),
    }
}

fn is_reachable(address: IpAddr, ours: &[IpAddr]) -> bool {
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.to_ipv4_mapped().is_some(),
    };
    !is_local && (!address.is_loopback() || ours.iter().any(IpAddr::is_loopback))
}
