//! A pair of virtual devices: packets are redirected into one end, the mixer's sockets live on the other.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, LinkUnspec, LinkVeth,
    packet_route::{
        link::{LinkAttribute, LinkMessage},
        neighbour::NeighbourState,
    },
};
use undertone_core::Link;

use crate::{door, mixer::alias, options::MixerOptions};

/// Why there is no link to the local mixer.
#[derive(Debug, thiserror::Error)]
pub enum MixerError {
    /// A name that cannot be a device's.
    #[error(
        "`{name}` is too long for the mixer's interface: 14 characters at most, one more is added for its other end"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The kernel refused.
    #[error("cannot {what} for the local mixer: {source}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: rtnetlink::Error,
    },
    /// The system refused.
    #[error("cannot {what} for the local mixer: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// A device of that name that is something else.
    #[error("`{name}` exists already and is not one end of a veth pair with `{name}x`; choose another mixer interface")]
    Taken {
        /// The name.
        name: String,
    },
}

impl MixerError {
    /// Whether it was a matter of privilege.
    pub(crate) fn is_permission(&self) -> bool {
        let source = match self {
            Self::System { source, .. } => source.kind(),
            Self::Netlink { source: rtnetlink::Error::NetlinkError(message), .. } => message.to_io().kind(),
            _ => return false,
        };
        source == std::io::ErrorKind::PermissionDenied
    }
}

/// The link.
#[derive(Clone, Debug)]
pub(crate) struct MixerLink {
    /// The end that packets are redirected into, and the program runs on.
    pub(crate) near: Device,
    /// The end that sockets live on.
    pub(crate) far: Device,
}

/// One end.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) mac: [u8; 6],
    pub(crate) mtu: u32,
}

impl MixerLink {
    /// The link with these options, made if it is not there yet. `addresses`: how many media addresses there are.
    pub(crate) fn ensure(options: &MixerOptions, addresses: u8) -> Result<Self, MixerError> {
        if options.interface.is_empty() || options.interface.len() > 14 {
            return Err(MixerError::Name { name: options.interface.clone() });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(|source| MixerError::System { what: "start a runtime", source })?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()
                .map_err(|source| MixerError::System { what: "open a netlink socket", source })?;
            let connection = tokio::spawn(connection);
            let link = make(&handle, options, addresses).await;
            connection.abort();
            link
        })
    }

    /// The way of a packet into the link.
    pub(crate) fn way(&self) -> Link {
        let mtu = self.near.mtu.min(u16::MAX as u32) as u16;
        Link { interface: self.near.index, tags: Vec::new(), mac: self.near.mac, mtu }
    }
}

async fn make(handle: &Handle, options: &MixerOptions, addresses: u8) -> Result<MixerLink, MixerError> {
    let near = options.interface.as_str();
    let far = format!("{near}x");
    if find(handle, near).await.is_none() {
        handle
            .link()
            .add(LinkVeth::new(near, &far).build())
            .execute()
            .await
            .map_err(|source| MixerError::Netlink { what: "make a pair of virtual devices", source })?;
    }
    let (Some(near), Some(far)) = (find(handle, near).await, find(handle, &far).await) else {
        return Err(MixerError::Taken { name: near.to_owned() });
    };
    // Packets that sockets send get their checksums before they cross, since no device behind will add them.
    door::disable_checksum_offload(&far.name)
        .map_err(|source| MixerError::System { what: "turn off checksum offload", source })?;
    quiet(&near.name);
    for device in [&near, &far] {
        handle
            .link()
            .set(LinkUnspec::new_with_index(device.index).up().build())
            .execute()
            .await
            .map_err(|source| MixerError::Netlink { what: "start the virtual devices", source })?;
    }
    handle
        .address()
        .add(far.index, IpAddr::V4(options.address), 24)
        .replace()
        .execute()
        .await
        .map_err(|source| MixerError::Netlink { what: "add an address", source })?;
    for index in 0..addresses {
        add_neighbour(handle, &far, alias(options.address, index), near.mac).await?;
    }
    Ok(MixerLink { near, far })
}

/// Nobody answers ARP for the addresses that stand for media addresses, so that their MAC address is written down.
async fn add_neighbour(handle: &Handle, far: &Device, ip: Ipv4Addr, mac: [u8; 6]) -> Result<(), MixerError> {
    handle
        .neighbours()
        .add(far.index, IpAddr::V4(ip))
        .state(NeighbourState::Permanent)
        .link_layer_address(&mac)
        .replace()
        .execute()
        .await
        .map_err(|source| MixerError::Netlink { what: "add a neighbour", source })
}

/// Keeps the kernel from speaking IPv6 on the near end, where only the program listens.
fn quiet(name: &str) {
    let knob = Path::new("/proc/sys/net/ipv6/conf").join(name).join("disable_ipv6");
    // Without IPv6 in the kernel there is nothing to turn off.
    let _ = std::fs::write(knob, "1");
}

async fn find(handle: &Handle, name: &str) -> Option<Device> {
    let message: LinkMessage = handle.link().get().match_name(name.to_owned()).execute().try_next().await.ok()??;
    let mut device = Device { name: name.to_owned(), index: message.header.index, mac: [0; 6], mtu: 1500 };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::Address(address) => device.mac = address.try_into().ok()?,
            LinkAttribute::Mtu(mtu) => device.mtu = mtu,
            _ => {}
        }
    }
    Some(device)
}
