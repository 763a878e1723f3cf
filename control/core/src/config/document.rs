//! Reading a TOML text so that everything wrong is found at once, with its line and key.
//!
//! What cannot be read becomes a [`Problem`] and reads as `None`; [`Section`] has the values.

use std::{cell::RefCell, collections::BTreeMap, ops::Range};

use toml::{Spanned, de::DeTable};

use super::{
    error::{ConfigError, Problem},
    section::Section,
    values::quote,
};

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
        Section::new(self, self.root.get_ref(), Place { line: 1, key: String::new() })
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

    /// How many things were wrong so far.
    pub(super) fn complaints(&self) -> usize {
        self.problems.borrow().len()
    }

    /// The line, from 1, in which a span begins.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        line(&self.line_starts, span)
    }

    /// Notes where a value stands.
    pub(super) fn remember(&self, place: &Place) {
        self.lines_of_keys.borrow_mut().entry(place.key.clone()).or_insert(place.line);
    }
}

/// The line, from 1, in which a span begins.
fn line(line_starts: &[usize], span: &Range<usize>) -> usize {
    line_starts.partition_point(|start| *start <= span.start).max(1)
}
