//! Which called numbers a route takes, and what becomes of them.

use regex_lite::{Regex, RegexBuilder};

/// Memory that an expression may take once it is read. Those of numbers take a few kilobytes; more is a mistake that
/// every call would pay for.
const EXPRESSION_BYTES_MAX: usize = 64 * 1024;

/// A set of called numbers.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// All.
    Any,
    /// Those that begin so.
    Prefix(String),
    /// Those that a regular expression fits as a whole, and what they become: `$1` is its first group.
    Expression {
        /// The expression.
        regex: Regex,
        /// The number that is called instead.
        replacement: Option<String>,
    },
}

/// Why there is no such [`Pattern::Expression`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is no regular expression.
    #[error("`{expression}` is no regular expression: {cause}")]
    Expression {
        /// What was written.
        expression: String,
        /// What is wrong with it.
        cause: String,
    },
    /// What is called instead names a group that the expression does not have.
    #[error("`{expression}` has no group `{group}`")]
    Group {
        /// The expression.
        expression: String,
        /// The group.
        group: String,
    },
}

impl Pattern {
    /// The numbers that an expression fits as a whole.
    pub fn expression(expression: &str, replacement: Option<String>) -> Result<Self, NumberError> {
        let build = |text: &str| RegexBuilder::new(text).size_limit(EXPRESSION_BYTES_MAX).build();
        // On its own first: `1)|(2` would be one between our brackets.
        let regex = build(expression).and_then(|_| build(&format!("^(?:{expression})$")));
        let regex = regex
            .map_err(|error| NumberError::Expression { expression: expression.into(), cause: error.to_string() })?;
        let has = |group: &str| match group.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|name| name == group),
        };
        match replacement.iter().flat_map(|text| groups_in(text)).find(|group| !has(group)) {
            Some(group) => Err(NumberError::Group { expression: expression.into(), group: group.into() }),
            None => Ok(Self::Expression { regex, replacement }),
        }
    }

    /// What to call for `number`; `None` when it is not one of these.
    pub fn apply(&self, number: &str) -> Option<String> {
        match self {
            Self::Any => Some(number.into()),
            Self::Prefix(prefix) => number.starts_with(prefix.as_str()).then(|| number.into()),
            Self::Expression { regex, replacement } => {
                let found = regex.is_match(number);
                found.then(|| match replacement {
                    Some(replacement) => regex.replace(number, replacement.as_str()).into_owned(),
                    None => number.into(),
                })
            }
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) => true,
            (Self::Prefix(one), Self::Prefix(other)) => one == other,
            (
                Self::Expression { regex, replacement },
                Self::Expression { regex: other, replacement: other_replacement },
            ) => regex.as_str() == other.as_str() && replacement == other_replacement,
            _ => false,
        }
    }
}

impl Eq for Pattern {}

/// The groups that a replacement names, as [`Regex::replace`] reads it: `$1`, `$name`, `${1}`, and `$$` for a dollar.
fn groups_in(replacement: &str) -> Vec<&str> {
    let mut groups = Vec::new();
    let mut rest = replacement;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some((group, after)) = rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            groups.push(group);
            rest = after;
        } else {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let (group, after) = rest.split_at(rest.find(|letter| !is_name(letter)).unwrap_or(rest.len()));
            groups.extend(Some(group).filter(|group| !group.is_empty()));
            rest = after;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_its_numbers_and_no_others() {
        assert_eq!(Pattern::Any.apply("").as_deref(), Some(""));
        let prefix = Pattern::Prefix("+49".into());
        assert_eq!([prefix.apply("+4930"), prefix.apply("0049")], [Some("+4930".into()), None]);
        let internal = Pattern::expression("1..", None).expect("an expression");
        assert_eq!([internal.apply("100"), internal.apply("1000")], [Some("100".into()), None], "as a whole");
        let either = Pattern::expression("1|20", None).expect("an expression");
        assert_eq!([either.apply("20"), either.apply("120")], [Some("20".into()), None], "as a whole");
        let rewrite = Pattern::expression(r"00(\d+)", Some("+$1".into())).expect("an expression");
        assert_eq!(rewrite.apply("004930").as_deref(), Some("+4930"));
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for text in ["(", "1)|(2", "[", "1{1000}{1000}"] {
            let error = Pattern::expression(text, None).expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}` is no regular expression: ")), "{error}");
        }
    }

    #[test]
    fn a_replacement_names_groups_that_there_are() {
        let pattern = |replacement: &str| Pattern::expression(r"0(\d)(?P<rest>\d*)", Some(replacement.into()));
        for (replacement, called) in [
            ("$1", "1"),
            ("$2$1", "2341"),
            ("${1}0", "10"),
            ("+$rest", "+234"),
            ("$0", "01234"),
            ("$$1", "$1"),
            ("$", "$"),
            ("5$-", "5$-"),
        ] {
            let pattern = pattern(replacement).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(pattern.apply("01234").as_deref(), Some(called), "{replacement}");
        }
        for (replacement, group) in [("$3", "3"), ("$10", "10"), ("$1x", "1x"), ("+${tail}", "tail"), ("${}", "")] {
            let error = pattern(replacement).expect_err(replacement);
            assert!(matches!(&error, NumberError::Group { group: found, .. } if found == group), "{error}");
        }
    }

    #[test]
    fn patterns_are_the_same_when_they_are_written_so() {
        let one = |text: &str, replacement: Option<&str>| Pattern::expression(text, replacement.map(Into::into));
        assert_eq!(one("1(.)", Some("$1")), one("1(.)", Some("$1")));
        assert_ne!(one("1(.)", Some("$1")), one("1(.)", None));
        assert_ne!(one("1(.)", None), one("1.", None));
        assert_ne!(Pattern::Any, Pattern::Prefix(String::new()));
    }
}
