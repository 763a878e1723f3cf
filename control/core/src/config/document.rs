//! Reading a TOML text so that everything wrong is found at once, with its line and key.
//!
//! A [`Section`] is asked for its keys one by one, each with the function that reads its value, and at the end for
//! those that nobody asked for. What cannot be read becomes a [`Problem`] and reads as `None`.

use std::{cell::RefCell, collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    error::{ConfigError, Problem},
    values::{Wrong, describe, quote},
};

/// A key longer than this is not compared with known ones.
const KEY_COMPARED_MAX: usize = 40;
/// How alike two keys have to be for one to be meant by the other, of 1.
const ALIKE: f64 = 0.6;

/// A TOML text and what was found wrong with it so far.
pub(super) struct Document<'t> {
    root: Spanned<DeTable<'t>>,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
    lines_of_keys: RefCell<BTreeMap<String, usize>>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// Where something stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) key: String,
}

/// A table of the text.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    table: &'d DeTable<'d>,
    place: Place,
    asked: RefCell<Vec<&'static str>>,
}

impl<'t> Document<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, ConfigError> {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { root, line_starts, problems: RefCell::default(), lines_of_keys: RefCell::default() }),
            Err(error) => {
                let line = error.span().map_or(1, |span| line(&line_starts, &span));
                let there = quote(text.lines().nth(line - 1).unwrap_or_default().trim());
                let wrong = format!("{there} is no TOML: {}", error.message().replace('\n', ", "));
                let way_out = "write `key = value` lines below `[section]` headings, texts in double quotes".into();
                Err(ConfigError { problems: vec![Problem { line, key: String::new(), wrong, way_out }] })
            }
        }
    }

    /// The keys outside all sections.
    pub(super) fn root(&self) -> Section<'_> {
        Section {
            document: self,
            table: self.root.get_ref(),
            place: Place { line: 1, key: String::new() },
            asked: RefCell::default(),
        }
    }

    /// Notes that what stands at `place` is wrong.
    pub(super) fn complain(&self, place: &Place, wrong: impl Into<String>, way_out: impl Into<String>) {
        self.problems.borrow_mut().push(Problem {
            line: place.line,
            key: place.key.clone(),
            wrong: wrong.into(),
            way_out: way_out.into(),
        });
    }

    /// What was read, if nothing was wrong, and the lines of its keys.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<(T, BTreeMap<String, usize>), ConfigError> {
        let mut problems = self.problems.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok((read, self.lines_of_keys.into_inner())),
            _ => {
                problems.sort();
                Err(ConfigError { problems })
            }
        }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        line(&self.line_starts, span)
    }
}

/// The line, from 1, in which a span begins.
fn line(line_starts: &[usize], span: &Range<usize>) -> usize {
    line_starts.partition_point(|start| *start <= span.start).max(1)
}

impl<'d> Section<'d> {
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
        let Some(value) = self.look(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.read(item, key, &read)).collect(),
            other => {
                let found = describe(other);
                self.complain(&self.place_of(key), format!("expected a list, found {found}"), "put it in [ ]");
                Vec::new()
            }
        }
    }

    /// The values of the list `key`, which has to be there and not to be empty: `line` shows how it is written.
    pub(super) fn required_list<T>(
        &self,
        key: &'static str,
        line: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, Wrong>,
    ) -> Vec<Placed<T>> {
        match self.look(key).map(Spanned::get_ref) {
            None => self.complain_missing(key, line),
            Some(DeValue::Array(items)) if items.is_empty() => {
                self.complain(&self.place_of(key), "this list is empty", format!("write for example {line}"));
            }
            Some(_) => {}
        }
        self.list(key, read)
    }

    /// The table `key`, if it is there.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.look(key)?;
        let place = self.place_of(key);
        match value.get_ref() {
            DeValue::Table(table) => Some(self.inner(table, place)),
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
                DeValue::Table(table) => sections.push(self.inner(table, place)),
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

    fn inner(&self, table: &'d DeTable<'d>, place: Place) -> Section<'d> {
        Section { document: self.document, table, place, asked: RefCell::default() }
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
        self.document.lines_of_keys.borrow_mut().entry(place.key.clone()).or_insert(place.line);
        match read(value.get_ref()) {
            Ok(value) => Some(Placed { value, place }),
            Err(wrong) => {
                let found = describe(value.get_ref());
                self.complain(&place, format!("expected {}, found {found}", wrong.expected), wrong.way_out);
                None
            }
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

fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
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
