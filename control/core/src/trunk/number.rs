//! Which called numbers a route takes, and what becomes of them.

use regex_lite::Regex;

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

/// A regular expression that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is no regular expression: {cause}")]
pub struct NumberError {
    /// What was written.
    pub expression: String,
    /// What is wrong with it.
    pub cause: String,
}

impl Pattern {
    /// The numbers that an expression fits as a whole.
    pub fn expression(expression: &str, replacement: Option<String>) -> Result<Self, NumberError> {
        let regex = Regex::new(&format!("^(?:{expression})$"))
            .map_err(|error| NumberError { expression: expression.into(), cause: error.to_string() })?;
        Ok(Self::Expression { regex, replacement })
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
        let rewrite = Pattern::expression(r"00(\d+)", Some("+$1".into())).expect("an expression");
        assert_eq!(rewrite.apply("004930").as_deref(), Some("+4930"));
        let error = Pattern::expression("(", None).expect_err("none").to_string();
        assert!(error.starts_with("`(` is no regular expression: "), "{error}");
    }
}
