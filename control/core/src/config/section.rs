//! A table of a TOML text.
//!
//! It is asked for its keys one by one, each with the function that reads its value, and at the end for those that
//! nobody asked for.

use std::cell::RefCell;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    document::{Document, Place, Placed},
    values::{Wrong, describe},
};

/// A key longer than this is not compared with known ones.
const KEY_COMPARED_MAX: usize = 40;
/// How alike two words have to be for one to be meant by the other, of 1.
const ALIKE: f64 = 0.6;

/// A table of the text.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
}

/// An item of a list that may have both.
pub(super) enum Item<'d, T> {
    /// A value.
    Value(Placed<T>),
    /// A table.
    Section(Section<'d>),
}

impl<'d> Section<'d> {
    pub(super) fn new(document: &'d Document<'d>, table: &'d DeTable<'d>, place: Place) -> Self {
        Self { document, table, place, asked: RefCell::default() }
    }

    /// Where the section begins.
    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// Where `key` stands, or would stand.
    pub(super) fn place_of(&self, key: &str) -> Place {
        let line = self.table.get_key_value(key).map_or(self.place.line, |(key, _)| self.document.line(&key.span()));
        Place { line, key: self.path(key) }
    }

    /// Notes that what stands at `place` is wrong.
    pub(super) fn complain(&self, place: &Place, wrong: impl Into<String>, way_out: impl Into<String>) {
        self.document.complain(place, wrong, way_out);
    }

    /// How many things were wrong in the whole text so far.
    pub(super) fn complaints(&self) -> usize {
        self.document.complaints()
    }

    /// Whether `key` is there, whatever it is.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of `key`, if it is there and can be read.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<Placed<T>> {
        let value = self.look(key)?;
        self.read(value, key, read)
    }

    /// The value of `key`, or `default`. `None` only when it is there and cannot be read.
    pub(super) fn or_default<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
        default: T,
    ) -> Option<T> {
        match self.look(key) {
            Some(value) => self.read(value, key, read).map(|placed| placed.value),
            None => Some(default),
        }
    }

    /// The value of `key`, which has to be there: `line` shows how it is written.
    pub(super) fn required<T>(
        &self,
        key: &'static str,
        line: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<Placed<T>> {
        if self.look(key).is_none() {
            self.complain_missing(key, line);
        }
        self.optional(key, read)
    }

    /// The values of the list `key`; empty when it is not there. Those that cannot be read are left out.
    pub(super) fn list<T>(&self, key: &'static str, read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>) -> Vec<Placed<T>> {
        self.list_of(key).iter().filter_map(|item| self.read(item, key, &read)).collect()
    }

    /// The values of the list `key`, which is not to be empty when it is there: `way_out` says what to write.
    pub(super) fn filled_list<T>(
        &self,
        key: &'static str,
        way_out: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Vec<Placed<T>> {
        self.complain_empty(key, way_out);
        self.list(key, read)
    }

    /// The values of the list `key`, which has to be there and not to be empty: `line` shows how it is written.
    pub(super) fn required_list<T>(
        &self,
        key: &'static str,
        line: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Vec<Placed<T>> {
        self.complain_missing_or_empty(key, line);
        self.list(key, read)
    }

    /// The items of the list `key`, tables or other values, which has to be there and not to be empty: `line` shows how
    /// it is written.
    pub(super) fn required_items<T>(
        &self,
        key: &'static str,
        line: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Vec<Item<'d, T>> {
        self.complain_missing_or_empty(key, line);
        let item = |item: &'d Spanned<DeValue<'d>>| match item.get_ref() {
            DeValue::Table(table) => {
                let place = Place { line: self.document.line(&item.span()), key: self.path(key) };
                Some(Item::Section(Section::new(self.document, table, place)))
            }
            _ => self.read(item, key, &read).map(Item::Value),
        };
        self.list_of(key).iter().filter_map(item).collect()
    }

    /// The table `key`, if it is there.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.look(key)?;
        let place = self.place_of(key);
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.document, table, place)),
            other => {
                let wrong = format!("expected a section, found {}", describe(other));
                let way_out = format!("write [{}] with its keys below, or {key} = {{ … }}", place.key);
                self.complain(&place, wrong, way_out);
                None
            }
        }
    }

    /// The table `key`, which has to be there: `example` shows how it is written.
    pub(super) fn required_section(&self, key: &'static str, example: &str) -> Option<Section<'d>> {
        if self.look(key).is_none() {
            self.complain_missing(key, example);
        }
        self.section(key)
    }

    /// The tables of the list `key`; none when it is not there.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.look(key) else { return Vec::new() };
        let place = self.place_of(key);
        let complain = |place: &Place, found: &DeValue<'_>| {
            let wrong = format!("expected [[{key}]] sections, found {}", describe(found));
            self.complain(place, wrong, format!("write [[{key}]], in two brackets, above each"));
        };
        let DeValue::Array(items) = value.get_ref() else {
            complain(&place, value.get_ref());
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items {
            let place = Place { line: self.document.line(&item.span()), key: place.key.clone() };
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Section::new(self.document, table, place)),
                other => complain(&place, other),
            }
        }
        sections
    }

    /// Complains of every key that was not asked for.
    pub(super) fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if asked.contains(&name) {
                continue;
            }
            let place = Place { line: self.document.line(&key.span()), key: self.path(&shorten(name)) };
            let way_out = match nearest(name, &asked) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            self.complain(&place, "there is no such key", way_out);
        }
    }

    fn look(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        if !self.asked.borrow().contains(&key) {
            self.asked.borrow_mut().push(key);
        }
        self.table.get(key)
    }

    fn read<T>(
        &self,
        value: &Spanned<DeValue<'_>>,
        key: &str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Option<Placed<T>> {
        let place = Place { line: self.document.line(&value.span()), key: self.path(key) };
        self.document.remember(&place);
        match read(value.get_ref()) {
            Ok(value) => Some(Placed { value, place }),
            Err(wrong) => {
                let found = describe(value.get_ref());
                self.complain(&place, format!("expected {}, found {found}", wrong.expected), wrong.way_out);
                None
            }
        }
    }

    /// The list `key`; empty when it is not there or none.
    fn list_of(&self, key: &'static str) -> &'d [Spanned<DeValue<'d>>] {
        let Some(value) = self.look(key) else { return &[] };
        match value.get_ref() {
            DeValue::Array(items) => items,
            other => {
                let found = describe(other);
                self.complain(&self.place_of(key), format!("expected a list, found {found}"), "put it in [ ]");
                &[]
            }
        }
    }

    fn complain_missing_or_empty(&self, key: &'static str, line: &str) {
        if self.look(key).is_none() {
            self.complain_missing(key, line);
        }
        self.complain_empty(key, &format!("write for example {line}"));
    }

    fn complain_empty(&self, key: &'static str, way_out: &str) {
        if let Some(DeValue::Array(items)) = self.look(key).map(Spanned::get_ref)
            && items.is_empty()
        {
            self.complain(&self.place_of(key), "this list is empty", way_out);
        }
    }

    fn complain_missing(&self, key: &str, line: &str) {
        let place = Place { line: self.place.line, key: self.path(key) };
        self.complain(&place, "this is missing", format!("write for example {line}"));
    }

    fn path(&self, key: &str) -> String {
        match self.place.key.as_str() {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        }
    }
}

/// The one of the `known` words that `key` is most like, if it is at all.
pub(super) fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    if key.len() > KEY_COMPARED_MAX {
        return None;
    }
    let alike = |other: &&'k str| strsim::normalized_damerau_levenshtein(key, other);
    let best = known.iter().map(|other| (*other, alike(other))).max_by(|(_, one), (_, other)| one.total_cmp(other));
    best.filter(|(_, alike)| *alike >= ALIKE).map(|(near, _)| near)
}

fn shorten(key: &str) -> String {
    let mut short: String = key.chars().take(KEY_COMPARED_MAX).flat_map(char::escape_debug).collect();
    if key.chars().nth(KEY_COMPARED_MAX).is_some() {
        short.push('…');
    }
    short
}
