//! Numbers and names as people and tables have them.

/// Characters of a number or name that are kept.
const CHARACTERS_MAX: usize = 128;
/// What makes a number easier to read.
const SEPARATORS: [char; 5] = ['-', '.', '(', ')', ' '];

/// A text for people, short and without control characters.
pub(crate) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // As most are.
    if text.len() <= CHARACTERS_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.into_owned();
    }
    text.chars().filter(|letter| !letter.is_control()).take(CHARACTERS_MAX).collect()
}

/// A number without visual separators (RFC 3966 §5.1.1), spaces and the parameters of its user. What is no number, like
/// the name of a user, stays as it is, short and without control characters.
pub fn normalised(text: &str) -> String {
    let text = plain(text.split(';').next().unwrap_or_default().trim().as_bytes());
    if !text.contains(SEPARATORS) {
        return text;
    }
    let bare = text.replace(SEPARATORS, "");
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || b"*#".contains(&byte));
    if is_number { bare } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_digits_and_a_name_is_left_alone() {
        for (text, number) in [
            ("+49 (30) 123-100", "+4930123100"),
            ("100;phone-context=pbx.example", "100"),
            ("*80", "*80"),
            ("1.0.0", "100"),
            ("ann.smith", "ann.smith"),
            ("ann-1", "ann-1"),
            ("+", "+"),
            ("++49", "++49"),
            ("1\r\n2", "12"),
            ("\u{1b}[2Jx", "[2Jx"),
            ("", ""),
        ] {
            assert_eq!(normalised(text), number, "{text}");
        }
    }
}
