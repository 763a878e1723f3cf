//! VLAN sub-interfaces for kernels without the 8021q module: two programs at the traffic-control hook.
//!
//! ```text
//!   eth0.7.100 ══ veth ══ eth0.7.100~ ── push the tags ──▶ eth0
//!                                     ◀── pop the tags ──
//! ```

use std::path::Path;

use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};
use rbpf::assembler::assemble;

use super::interface::check_name;
use super::tool::ip;
use super::{Interface, Tag};
use crate::error::Doing;
use crate::{Error, Result};

/// Where libbpf finds a program for traffic control.
const SECTION: &str = "classifier";

/// Makes the sub-interface that `sub` describes and ties it to its parent.
pub(super) fn patch(parent: &Interface, sub: &Interface) -> Result<()> {
    let namespace = parent.namespace();
    let hidden = format!("{}~", sub.name());
    check_name(&hidden)?;
    let (name, mac, within) = (sub.name(), sub.mac(), namespace.name());
    ip(&format!("link add name {name} address {mac} netns {within} type veth peer name {hidden} netns {within}"))?;
    let hidden = Interface::of_veth(namespace, &hidden, sub.mac());
    // It has no business on the network itself, so it gets no address to speak from.
    namespace.ip(&format!("link set {} addrgenmode none", hidden.name()))?;
    hidden.without_offloads()?;
    sub.without_offloads()?;
    hidden.up()?;
    attach(parent, &untag_and_hand_on(sub.tags(), hidden.index()?))?;
    attach(&hidden, &tag_and_hand_on(sub.tags(), parent.index()?))
}

/// Runs a program on every frame that arrives at an interface, beside those attached before.
fn attach(interface: &Interface, assembly: &str) -> Result<()> {
    let (namespace, name) = (interface.namespace(), interface.name());
    if !namespace.tool("tc", &format!("qdisc show dev {name}"))?.contains("clsact") {
        namespace.tool("tc", &format!("qdisc add dev {name} clsact"))?;
    }
    let directory = tempfile::tempdir().doing(|| "making a directory for a program".to_owned())?;
    let file = directory.path().join("program.o");
    write_object(&file, assembly)?;
    let filter = format!("filter add dev {name} ingress bpf direct-action object-file {}", file.display());
    namespace.tool("tc", &format!("{filter} section {SECTION}")).map(drop)
}

/// Takes frames that carry exactly these tags off the wire, without them, to the interface of this index.
///
/// The kernel has put the outermost tag beside the frame when the program runs. A frame with other tags is left to
/// whoever is next (-1, `TC_ACT_UNSPEC`).
fn untag_and_hand_on(tags: &[Tag], to: u32) -> String {
    let pop = "mov64 r1, r6\n call 19\n".repeat(tags.len()); // bpf_skb_vlan_pop
    let hand_on = format!("{pop} mov64 r1, {to}\n mov64 r2, 0\n call 23\n exit\n"); // bpf_redirect
    let matching = format!("mov64 r6, r1\n {}{}", outer_matches(tags[0]), inner_matches(tags.get(1)));
    with_jumps_to_end(&format!("{matching}{hand_on}")) + "mov64 r0, -1\n exit\n"
}

/// Goes to the end unless the tag beside the frame is this one (`__sk_buff`: `vlan_present`, `vlan_proto`, `vlan_tci`).
fn outer_matches(tag: Tag) -> String {
    let protocol = tag.protocol.to_be();
    format!(
        "ldxw r2, [r6+20]\n jeq r2, 0, END\n ldxw r2, [r6+28]\n jne r2, {protocol}, END\n \
         ldxw r2, [r6+24]\n and64 r2, 0xfff\n jne r2, {}, END\n",
        tag.id
    )
}

/// Goes to the end unless the frame has this second tag (`__sk_buff`: `protocol`), or none if none is wanted.
fn inner_matches(tag: Option<&Tag>) -> String {
    let protocol = "ldxw r2, [r6+16]\n";
    match tag {
        Some(tag) => format!(
            "{protocol} jne r2, {}, END\n ldabsh 14\n and64 r0, 0xfff\n jne r0, {}, END\n",
            tag.protocol.to_be(),
            tag.id
        ),
        None => format!("{protocol} jeq r2, {}, END\n jeq r2, {}, END\n", 0x8100_u16.to_be(), 0x88a8_u16.to_be()),
    }
}

/// Sends every frame, with these tags, out of the interface of this index.
fn tag_and_hand_on(tags: &[Tag], to: u32) -> String {
    let push = tags.iter().rev().map(|tag| {
        // bpf_skb_vlan_push
        format!("mov64 r1, r6\n mov64 r2, {}\n mov64 r3, {}\n call 18\n", tag.protocol.to_be(), tag.id)
    });
    let push: String = push.collect();
    format!("mov64 r6, r1\n {push} mov64 r1, {to}\n mov64 r2, 0\n call 23\n exit\n") // bpf_redirect
}

/// Replaces `END` by the distance to behind the last instruction, counted from the next one.
fn with_jumps_to_end(assembly: &str) -> String {
    let lines: Vec<_> = assembly.lines().collect();
    let resolved = lines
        .iter()
        .enumerate()
        .map(|(index, line)| line.replace("END", &format!("+{}", lines.len() - index - 1)) + "\n");
    resolved.collect()
}

/// Writes the program as `tc` reads it: an ELF object with one function and a licence.
fn write_object(path: &Path, assembly: &str) -> Result<()> {
    let code = assemble(assembly).map_err(|error| Error::Invalid(format!("{error} in\n{assembly}")))?;
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let section = object.add_section(Vec::new(), SECTION.into(), SectionKind::Text);
    object.append_section_data(section, &code, 8);
    object.add_symbol(Symbol {
        name: b"patch".to_vec(),
        value: 0,
        size: code.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"Dual MIT/GPL\0", 1);
    let elf = object.write().map_err(|error| Error::Invalid(format!("writing a program as ELF: {error}")))?;
    std::fs::write(path, elf).doing(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_assembles() {
        let tags = [Tag::service(7), Tag::customer(100)];
        for depth in 1..=2 {
            assemble(&untag_and_hand_on(&tags[..depth], 3)).unwrap();
            assemble(&tag_and_hand_on(&tags[..depth], 3)).unwrap();
        }
    }

    #[test]
    fn a_miss_jumps_behind_the_match() {
        assert_eq!(with_jumps_to_end("jeq r2, 0, END\nexit\nja END\n"), "jeq r2, 0, +2\nexit\nja +0\n");
    }
}
