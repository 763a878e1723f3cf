//! The specification of the XDP program, written for the reader and not for the packet.
//!
//! Nothing here is shared with the program but plain values: rules, hops, reasons and limits. Headers are read one
//! after another, packets are built anew, and quality is computed from everything that ever came.

mod headers;
mod learning;
mod media;
mod reception;
mod rewrite;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use undertone_abi::{CopyRule, Endpoint, Epoch, Fate, Kind, Local, Reason, RowIndex, Rule, lane_of};

use self::headers::Headers;
use self::learning::{Admission, Learning};
use self::media::{Heard, Media, classify};
use self::reception::Report;
use self::rewrite::Leave;
use super::node::{
    ADDRESSES, GROUPS, HOP_MIXER, MIXER_COPIES, MIXER_LANES, MIXER_UNRESOLVED, Node, PORTS, mixer_divert,
};

/// The node and what it has been through.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The tables.
    pub(super) node: Node,
    ports: BTreeMap<RowIndex, Port>,
}

/// What a media port has been through.
#[derive(Debug, Default)]
struct Port {
    epoch: Epoch,
    learning: Learning,
    /// RTP from the port's source.
    history: Vec<Heard>,
    packets: u64,
    bytes: u64,
    strangers: u64,
    invalid: u32,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Why.
    pub(super) reason: Reason,
    /// The frame that leaves, if one does.
    pub(super) leaves: Option<Leaving>,
    /// The port whose source is news to user space.
    pub(super) moved: Option<RowIndex>,
}

/// A frame on its way out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaving {
    /// Its bytes.
    pub(super) frame: Vec<u8>,
    /// How it leaves.
    pub(super) by: By,
}

/// How a frame leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum By {
    /// Through one device.
    Device(u8),
    /// Through the devices of a shape, as its group says.
    Shape {
        shape: u16,
        group: u16,
        /// The device slot of the stream itself, if it goes on.
        original: Option<u8>,
        /// What is added to the sequence number of each copy.
        sequence_offset: u16,
    },
}

/// What the counters of a port have to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counted {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) lost: u32,
    pub(super) reordered: u32,
    pub(super) duplicates: u32,
    pub(super) ssrc: u32,
    pub(super) ssrc_changes: u32,
    pub(super) payload_type: Option<u8>,
    pub(super) strangers: u64,
    pub(super) invalid: u32,
    pub(super) source: Option<SocketAddr>,
    pub(super) is_locked: bool,
}

/// Where the stream itself goes.
enum Way {
    Party(Reason),
    Mixer(Reason, SocketAddr),
    Nowhere(Reason),
}

impl Model {
    /// A node that nothing has happened to.
    pub(super) fn new(node: Node) -> Self {
        Self { node, ports: BTreeMap::new() }
    }

    /// A packet arrives on an interface.
    pub(super) fn arrive(&mut self, frame: &[u8], interface: u32) -> Outcome {
        let mut moved = None;
        match self.walk(frame, interface, &mut moved) {
            Ok((reason, leaving)) => Outcome { reason, leaves: Some(leaving), moved },
            Err(reason) => Outcome { reason, leaves: None, moved },
        }
    }

    /// Makes a port's stream another one, with nothing counted, or the same one from a source to be learned again.
    pub(super) fn set_epoch(&mut self, index: RowIndex, epoch: Epoch) {
        let port = self.ports.entry(index).or_default();
        if port.epoch.generation() == epoch.generation() {
            port.learning = Learning::Open;
        } else {
            *port = Port::default();
        }
        port.epoch = epoch;
    }

    /// What a port has counted.
    pub(super) fn counted(&self, index: RowIndex) -> Counted {
        let Some(port) = self.ports.get(&index) else { return Counted::default() };
        let Report { lost, reordered, duplicates, ssrc, ssrc_changes } = Report::of(&port.history);
        Counted {
            packets: port.packets,
            bytes: port.bytes,
            lost,
            reordered,
            duplicates,
            ssrc,
            ssrc_changes,
            payload_type: port.history.last().map(|packet| packet.payload_type),
            strangers: port.strangers,
            invalid: port.invalid,
            source: port.learning.source(),
            is_locked: port.learning.is_locked(),
        }
    }

    fn walk(
        &mut self,
        frame: &[u8],
        interface: u32,
        moved: &mut Option<RowIndex>,
    ) -> Result<(Reason, Leaving), Reason> {
        let headers = Headers::read(frame)?;
        let (local, from_mixer) = media_address(headers.destination.ip()).ok_or(Reason::NotMedia)?;
        if !(PORTS[0]..=PORTS[1]).contains(&headers.destination.port()) {
            return Err(Reason::OutsideRange);
        }
        // On any other link the aliases are somebody else's addresses.
        if from_mixer && self.node.mixer != Some(interface) {
            return Err(Reason::NotMedia);
        }
        let index = RowIndex::new(local, headers.destination.port());
        let rule = self.node.rules.get(&index).copied().unwrap_or_default();
        if rule.kind == Kind::Free {
            return Err(if from_mixer { Reason::MixerStray } else { Reason::NoStream });
        }
        let datagram = headers.datagram(frame).ok_or(Reason::BadLength)?;
        let media = classify(&datagram[8..], rule.kind);
        let is_rtp = matches!(media, Ok(Media::Rtp(_)));
        if from_mixer {
            media.map_err(|_| Reason::MixerStray)?;
            return self.depart_from_mixer(frame, index, &rule);
        }
        self.receive(index, &headers, media, moved)?;
        self.depart(frame, index, &rule, is_rtp)
    }

    /// Lets a packet from the network in, and counts it.
    fn receive(
        &mut self,
        index: RowIndex,
        headers: &Headers,
        media: Result<Media, Reason>,
        moved: &mut Option<RowIndex>,
    ) -> Result<(), Reason> {
        let rule = self.node.rules[&index];
        let partner = self.node.rules.get(&rule.partner());
        let signalled = partner.and_then(|partner| known(partner.to));
        let port = self.ports.entry(index).or_default();
        let media = media.inspect_err(|reason| port.invalid += u32::from(*reason != Reason::NotRtp))?;
        match port.learning.admit(headers.source, signalled, rule.policy) {
            Admission::Known => {}
            Admission::Moved => *moved = Some(index),
            Admission::Stranger => {
                port.strangers += 1;
                return Err(Reason::Stranger);
            }
        }
        port.packets += 1;
        port.bytes += headers.udp_length as u64 - 8;
        if let Media::Rtp(heard) = media {
            port.history.push(heard);
        }
        Ok(())
    }

    fn depart(&self, frame: &[u8], index: RowIndex, rule: &Rule, is_rtp: bool) -> Result<(Reason, Leaving), Reason> {
        let is_resolved = self.node.resolved_hop(rule.via.hop).is_some();
        let is_for_copier = rule.group != 0 && self.node.copies_in_user_space && self.node.is_mixer_alive;
        let group = if self.node.copies_in_user_space { 0 } else { rule.group };
        let lane = lane_of(index, rule.partner(), MIXER_LANES);
        let way = match (rule.forward, rule.divert) {
            (true, true) if is_for_copier => Way::Mixer(Reason::Diverted, MIXER_COPIES),
            (true, false) if is_for_copier => Way::Mixer(Reason::Copied, MIXER_COPIES),
            (false, _) if is_for_copier => Way::Mixer(Reason::CopiedOnly, MIXER_COPIES),
            (false, _) => Way::Nowhere(Reason::Held),
            (true, true) if self.node.is_mixer_alive => Way::Mixer(Reason::Diverted, mixer_divert(lane)),
            (true, _) if !is_resolved && self.node.mixer.is_some() => Way::Mixer(Reason::Unresolved, MIXER_UNRESOLVED),
            (true, _) if !is_resolved => Way::Nowhere(Reason::NoHop),
            (true, true) => Way::Party(Reason::FailedToWire),
            (true, false) => Way::Party(Reason::Forwarded),
        };
        let shapes = self.node.groups.get(&group).map(|group| group.shapes).unwrap_or_default();
        let sequence_offset = if is_rtp { rule.sequence_offset } else { 0 };
        let (reason, leave, shape) = match way {
            Way::Party(reason) => (reason, self.towards_party(rule, sequence_offset)?, shapes.forward),
            Way::Mixer(reason, to) => (reason, self.towards_mixer(index, to, sequence_offset)?, shapes.divert),
            Way::Nowhere(reason) if group == 0 => return Err(reason),
            Way::Nowhere(_) => {
                let by = By::Shape { shape: shapes.hold, group, original: None, sequence_offset };
                return self.broadcast(Reason::CopiedOnly, frame.to_vec(), by);
            }
        };
        let frame = leave.rewrite(frame)?;
        if group == 0 {
            return self.send(reason, frame, leave.hop.device);
        }
        let reason = if reason == Reason::Forwarded { Reason::Copied } else { reason };
        self.broadcast(reason, frame, By::Shape { shape, group, original: Some(leave.hop.device), sequence_offset: 0 })
    }

    /// What the mixer made of a packet goes on to the party; its copies have left before.
    fn depart_from_mixer(&self, frame: &[u8], index: RowIndex, rule: &Rule) -> Result<(Reason, Leaving), Reason> {
        if !rule.forward {
            return Err(Reason::MixerStray);
        }
        let (reason, leave) = if self.node.resolved_hop(rule.via.hop).is_some() {
            (Reason::Mixed, self.towards_party(rule, 0)?)
        } else {
            (Reason::Unresolved, self.towards_mixer(index, MIXER_UNRESOLVED, 0)?)
        };
        self.send(reason, leave.rewrite(frame)?, leave.hop.device)
    }

    fn towards_party(&self, rule: &Rule, sequence_offset: u16) -> Result<Leave, Reason> {
        // A party is where it sends from, once that is known.
        let learned = self.ports.get(&rule.partner()).and_then(|partner| partner.learning.source());
        Ok(Leave {
            from: SocketAddr::new(Node::address(rule.via.local), rule.from_port),
            to: learned.unwrap_or(rule.to.into()),
            hop: self.node.resolved_hop(rule.via.hop).ok_or(Reason::NoHop)?,
            dscp: rule.dscp,
            ttl_step: 1,
            sequence_offset,
        })
    }

    /// The mixer knows the port by the alias that a packet comes from.
    fn towards_mixer(&self, index: RowIndex, to: SocketAddr, sequence_offset: u16) -> Result<Leave, Reason> {
        Ok(Leave {
            from: SocketAddr::new(Node::alias(index.local()), index.port()),
            to,
            hop: self.node.resolved_hop(HOP_MIXER).ok_or(Reason::NoHop)?,
            dscp: None,
            ttl_step: 1,
            sequence_offset,
        })
    }

    fn send(&self, reason: Reason, frame: Vec<u8>, device: u8) -> Result<(Reason, Leaving), Reason> {
        if self.node.devices.contains_key(&device) {
            Ok((reason, Leaving { frame, by: By::Device(device) }))
        } else {
            Err(Reason::NoHop)
        }
    }

    fn broadcast(&self, reason: Reason, frame: Vec<u8>, by: By) -> Result<(Reason, Leaving), Reason> {
        let By::Shape { shape, group, .. } = by else { return Ok((reason, Leaving { frame, by })) };
        if u32::from(group) >= GROUPS {
            return Err(Reason::CopyStray);
        }
        if !self.node.shapes.contains_key(&shape) {
            return Err(Reason::NoHop);
        }
        Ok((reason, Leaving { frame, by }))
    }

    /// The copies that a broadcast makes: the interface each leaves through and its bytes, or why it does not.
    pub(super) fn copies(&self, leaving: &Leaving) -> Vec<Result<(u32, Vec<u8>), Reason>> {
        let By::Shape { group, sequence_offset, .. } = leaving.by else { return Vec::new() };
        let plan = &self.node.groups[&group];
        let copies = plan.copies.iter().zip(plan.interfaces).take(usize::from(plan.count));
        copies.map(|(copy, interface)| Ok((interface, self.copy(copy, &leaving.frame, sequence_offset)?))).collect()
    }

    fn copy(&self, copy: &CopyRule, frame: &[u8], sequence_offset: u16) -> Result<Vec<u8>, Reason> {
        let is_to_mixer = copy.via.hop == HOP_MIXER;
        let ip = if is_to_mixer { Node::alias(copy.via.local) } else { Node::address(copy.via.local) };
        let leave = Leave {
            from: SocketAddr::new(ip, copy.from_port),
            to: copy.to.into(),
            hop: self.node.resolved_hop(copy.via.hop).ok_or(Reason::CopyNoHop)?,
            dscp: None,
            ttl_step: 0,
            sequence_offset,
        };
        leave.rewrite(frame).map_err(|reason| match reason {
            Reason::TooBig | Reason::TtlExpired => Reason::CopyTooBig,
            other => other,
        })
    }
}

impl Outcome {
    /// What happens to the packet.
    pub(super) fn fate(&self) -> Fate {
        let fate = self.reason.fate();
        assert_eq!(self.leaves.is_some(), fate == Fate::Sent, "the model contradicts itself: {self:?}");
        fate
    }
}

/// Which of our addresses it is, and whether it is its alias on the mixer's link.
fn media_address(ip: IpAddr) -> Option<(Local, bool)> {
    (0..ADDRESSES.len() as u8).map(Local).find_map(|local| match ip {
        _ if ip == Node::address(local) => Some((local, false)),
        _ if ip == Node::alias(local) => Some((local, true)),
        _ => None,
    })
}

/// An endpoint that was signalled; a half-open stream has none yet.
fn known(endpoint: Endpoint) -> Option<SocketAddr> {
    let socket = SocketAddr::from(endpoint);
    (!socket.ip().is_unspecified()).then_some(socket)
}
