//! Who parties are: keys of `[[peer]]`, and `[[did]]`.

use std::collections::HashSet;

use super::values;
use crate::{
    call::Role,
    config::{
        document::{Place, Placed},
        section::Section,
        values::quote,
    },
    identity::{DidError, DidRange, DidTable, Rule, Rules, Source},
    trunk::{NumberError, Side},
};

/// Entries of the table of direct inward dialling.
const DIDS_MAX: usize = 100_000;

/// Reads how a peer of a side says who its parties are. `None` when that cannot be read.
pub(super) fn read_rules(section: &Section<'_>, side: Option<Side>) -> Option<Rules> {
    let before = section.complaints();
    let caller = sources(section, "caller-identity", Role::Caller);
    let callee = sources(section, "callee-identity", Role::Callee);
    let extension = rule(section);
    let usual = Rules::of(side?);
    let or_usual = |read: Vec<Source>, usual| if read.is_empty() { usual } else { read };
    let rules = Rules { caller: or_usual(caller, usual.caller), callee: or_usual(callee, usual.callee), extension };
    (section.complaints() == before).then_some(rules)
}

fn sources(section: &Section<'_>, key: &'static str, role: Role) -> Vec<Source> {
    let read = section.filled_list(key, "leave the key out to have the usual sources", values::source(role));
    let mut seen = HashSet::new();
    for source in &read {
        if !seen.insert(&source.value) {
            section.complain(&source.place, format!("\"{}\" stands here twice", source.value), "remove one");
        }
    }
    read.iter().map(|source| source.value.clone()).collect()
}

/// What makes an extension of a number.
fn rule(section: &Section<'_>) -> Option<Rule> {
    let prefix = section.optional("extension-prefix", values::number);
    let expression = section.optional("extension", values::expression);
    if section.has("extension-prefix") && section.has("extension") {
        let wrong = "an extension is found by `extension-prefix` or by `extension`, not by both";
        section.complain(&section.place_of("extension"), wrong, "remove one: an expression can begin with the prefix");
    }
    match (prefix, expression) {
        (Some(prefix), _) => Some(Rule::Prefix(prefix.value)),
        (None, Some(expression)) => by_expression(section, &expression),
        (None, None) => None,
    }
}

fn by_expression(section: &Section<'_>, expression: &Placed<String>) -> Option<Rule> {
    let error = match Rule::expression(&expression.value) {
        Ok(rule) => return Some(rule),
        Err(error) => error,
    };
    match error {
        NumberError::Expression { expression: text, cause } => {
            let wrong = format!("{} is no regular expression: {cause}", quote(&text));
            section.complain(&expression.place, wrong, values::EXPRESSION_FORM);
        }
        NumberError::Group { expression: text, .. } => {
            let wrong = format!("{} does not say which part of the number is the extension", quote(&text));
            section.complain(&expression.place, wrong, r"put that part in ( ), like '\+4930123(\d+)'");
        }
    }
    None
}

/// Reads the table of direct inward dialling.
pub(super) fn read_dids(sections: &[Section<'_>]) -> DidTable {
    if let Some(beyond) = sections.get(DIDS_MAX) {
        let wrong = format!("{} [[did]] sections, and a node has at most {DIDS_MAX}", sections.len());
        beyond.complain(beyond.place(), wrong, "write numbers that follow one another as one, with `last`");
    }
    let mut read: Vec<_> = sections.iter().take(DIDS_MAX).filter_map(|section| read_did(section)).collect();
    read.sort_by(|(one, ..), (other, ..)| one.cmp_first(other));
    // The one of those so far that reaches highest: what overlaps with any of them overlaps with that.
    let mut highest: Option<&Read<'_, '_>> = None;
    for this in &read {
        let overlapped = highest.filter(|highest| highest.0.overlaps(&this.0));
        if let Some(other) = overlapped {
            let (first, second) = if other.1.line < this.1.line { (other, this) } else { (this, other) };
            let wrong = format!("there are numbers here that [[did]] on line {} has already", first.1.line);
            second.2.complain(&second.1, wrong, "a number is one extension: remove them here or there");
        }
        if overlapped.is_none_or(|highest| highest.0.cmp_last(&this.0).is_lt()) {
            highest = Some(this);
        }
    }
    DidTable::new(read.into_iter().map(|(range, ..)| range).collect())
}

/// A range, where it stands, and the section that it is.
type Read<'s, 'd> = (DidRange, Place, &'s Section<'d>);

fn read_did<'s, 'd>(section: &'s Section<'d>) -> Option<Read<'s, 'd>> {
    let number = section.required("number", r#"number = "+4930123100""#, values::number);
    let last = section.optional("last", values::number);
    let extension = section.required("extension", r#"extension = "100""#, values::extension);
    section.finish();
    let (number, extension) = (number?, extension?);
    let end = last.as_ref().unwrap_or(&number);
    let error = match DidRange::new(&number.value, &end.value, &extension.value) {
        Ok(range) => return Some((range, number.place, section)),
        Err(error) => error,
    };
    let (place, way_out) = match error {
        DidError::Number if number.value == end.value => (&number.place, r#"write it like "+4930123100""#),
        DidError::Number => (&end.place, r#"write both like "+4930123100""#),
        DidError::Order => (&end.place, r#"write for example number = "+4930123200" and last = "+4930123299""#),
        DidError::Extension => (
            &extension.place,
            "write the extension of the first number in digits; those of the others follow, as long as that one",
        ),
    };
    section.complain(place, error.to_string(), way_out);
    None
}
