//! `[[group]]` and `[[route]]`.

use std::collections::{HashMap, HashSet};

use super::{
    names::{Bearer, Names},
    values,
};
use crate::{
    config::{
        document::{Place, Placed},
        section::{Item, Section},
        values::{self as plain, quote},
    },
    trunk::{Group, Member, NumberError, Pattern, PeerIndex, Route},
};

/// Groups of a node, without those that are one peer's.
const GROUPS_MAX: usize = 1000;
/// Routes of a node. A call looks at one after the other.
const ROUTES_MAX: usize = 10_000;
/// Characters that a route may take off a number.
const STRIP_MAX: u32 = 64;

/// Reads every group, and gives them their names. Those that cannot be read are left out.
pub(super) fn read_groups(sections: &[Section<'_>], names: &mut Names) -> Vec<Group> {
    check_count(sections, "groups", GROUPS_MAX);
    let mut read = |(place, section): (usize, &Section<'_>)| {
        let name = section.required("name", r#"name = "carriers""#, values::name);
        if let Some(name) = &name {
            names.give(section, name, Bearer::Group(place as u16));
        }
        let members = members(section, names);
        section.finish();
        Some(Group { name: name?.value, members })
    };
    sections.iter().enumerate().filter_map(&mut read).collect()
}

fn check_count(sections: &[Section<'_>], what: &str, count_max: usize) {
    if let Some(beyond) = sections.get(count_max) {
        let wrong = format!("{} {what}, and a node has at most {count_max}", sections.len());
        beyond.complain(beyond.place(), wrong, "remove some");
    }
}

fn members(section: &Section<'_>, names: &Names) -> Vec<Member> {
    let example = r#"peers = ["carrier", "carrier-2"], the one to try first in front"#;
    let items = section.required_items("peers", example, values::name);
    let is_table = |item: &Item<'_, String>| matches!(item, Item::Section(_));
    if items.iter().any(is_table) && !items.iter().all(is_table) {
        let wrong = "some of these peers have a priority, and some their place in the list";
        section.complain(&section.place_of("peers"), wrong, "write all as names, or all as { peer = …, priority = … }");
    }
    let mut seen = HashSet::new();
    let mut members = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        let priority = u16::try_from(place + 1).unwrap_or(u16::MAX);
        let (place, member) = match item {
            Item::Value(name) => {
                let peer = names.peer(section, &name);
                (name.place, peer.map(|peer| Member { peer, priority, weight: 1 }))
            }
            Item::Section(section) => (section.place().clone(), member(&section, names)),
        };
        let Some(member) = member else { continue };
        if !seen.insert(member.peer) {
            section.complain(&place, "this peer stands here twice", "remove one, or add up their weights");
        }
        members.push(member);
    }
    members
}

fn member(section: &Section<'_>, names: &Names) -> Option<Member> {
    let peer = section.required("peer", r#"peer = "carrier""#, values::name);
    let priority = section.or_default("priority", plain::integer(0..=u16::MAX.into()), 1);
    let weight = section.or_default("weight", plain::integer(1..=u16::MAX.into()), 1);
    section.finish();
    let peer = names.peer(section, &peer?)?;
    Some(Member { peer, priority: priority? as u16, weight: weight? as u16 })
}

/// Reads every route. A peer that one goes to becomes a group of its own, behind the `groups`.
pub(super) fn read_routes(sections: &[Section<'_>], names: &Names, groups: &mut Vec<Group>) -> Vec<Route> {
    check_count(sections, "routes", ROUTES_MAX);
    let mut alone = HashMap::new();
    let mut read = |section: &Section<'_>| {
        let from = section.filled_list("from", "leave the key out to take calls of all peers", values::name);
        let from: Vec<_> = from.iter().filter_map(|name| names.peer(section, name)).collect();
        let number = pattern(section);
        let strip = section.or_default("strip", plain::integer(0..=STRIP_MAX), 0);
        let prepend = section.or_default("prepend", values::number, String::new());
        let to = section.required("to", r#"to = "carriers", a group or a peer"#, values::name);
        let record = section.or_default("record", plain::boolean, false);
        section.finish();
        let to = to?;
        let bearer = names.bearer(section, &to)?;
        let to = group(bearer, &to, &mut alone, groups);
        Some(Route { from, number: number?, strip: strip? as u8, prepend: prepend?, to, record: record? })
    };
    sections.iter().take(ROUTES_MAX).filter_map(&mut read).collect()
}

/// The place of a group, made where a peer stands for itself.
fn group(bearer: Bearer, name: &Placed<String>, alone: &mut HashMap<PeerIndex, u16>, groups: &mut Vec<Group>) -> u16 {
    match bearer {
        Bearer::Group(place) => place,
        Bearer::Peer(peer) => *alone.entry(peer).or_insert_with(|| {
            groups.push(Group { name: name.value.clone(), members: vec![Member { peer, priority: 1, weight: 1 }] });
            (groups.len() - 1) as u16
        }),
    }
}

/// The numbers that a route takes. `None` when they cannot be read.
fn pattern(section: &Section<'_>) -> Option<Pattern> {
    let before = section.complaints();
    let prefix = section.optional("prefix", values::number);
    let number = section.optional("number", values::expression);
    let replace = section.optional("replace", values::number);
    if section.has("prefix") && section.has("number") {
        let wrong = "a route takes numbers by `prefix` or by `number`, not by both";
        section.complain(&section.place_of("number"), wrong, "remove one: an expression can begin with the prefix");
    }
    if section.has("replace") && !section.has("number") {
        let wrong = "there is no `number` whose groups this could name";
        let way_out = "write one, like number = '00(.*)', or use `strip` and `prepend`";
        section.complain(&section.place_of("replace"), wrong, way_out);
    }
    if section.complaints() != before {
        return None;
    }
    match (prefix, number) {
        (Some(prefix), _) => Some(Pattern::Prefix(prefix.value)),
        (None, Some(number)) => expression(section, &number, replace),
        (None, None) => Some(Pattern::Any),
    }
}

fn expression(section: &Section<'_>, number: &Placed<String>, replace: Option<Placed<String>>) -> Option<Pattern> {
    let (replacement, place): (_, Option<Place>) = replace.map(|it| (it.value, it.place)).unzip();
    let error = match Pattern::expression(&number.value, replacement) {
        Ok(pattern) => return Some(pattern),
        Err(error) => error,
    };
    match error {
        NumberError::Expression { expression, cause } => {
            let wrong = format!("{} is no regular expression: {cause}", quote(&expression));
            section.complain(&number.place, wrong, values::EXPRESSION_FORM);
        }
        NumberError::Group { expression, group } => {
            let wrong = format!("{} has no group {}", quote(&expression), quote(&group));
            let way_out = "groups are in ( ), the first is $1; in front of digits or letters it is ${1}";
            section.complain(place.as_ref().unwrap_or(&number.place), wrong, way_out);
        }
    }
    None
}
