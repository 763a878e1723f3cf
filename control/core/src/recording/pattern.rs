//! Names of files.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// What files are called unless the configuration says otherwise.
pub const PATTERN_DEFAULT: &str = "{date}/{time}-{caller}-{agent}-{call}";
/// Characters of a value that stand in a name.
const VALUE_MAX: usize = 32;
/// Characters of a pattern.
const PATTERN_MAX: usize = 128;
/// What stands behind a name.
const EXTENSION: &str = ".wav";
/// What stands behind it as long as it is written.
const PART: &str = ".part";

/// The name of a file, with places for what differs from call to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty, too long, or with characters that are not for names.
    #[error("at most {PATTERN_MAX} letters, digits and -_+. in folders and names, with places in braces")]
    Characters,
    /// It leads out of its folder, or has an empty part.
    #[error("a path within the folder, without empty parts and parts that begin with a dot")]
    Path,
    /// A place of another name.
    #[error("the places are {{date}}, {{time}}, {{caller}}, {{agent}}, {{dialled}} and {{call}}")]
    Place,
    /// Two calls could have the same.
    #[error("{{call}} in the last part, so that no two files have the same name")]
    NotUnique,
}

/// What differs from call to call.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The day on which it was answered, by the node's clock.
    pub date: &'a str,
    /// The time.
    pub time: &'a str,
    /// The caller's extension, or number.
    pub caller: &'a str,
    /// The agent's.
    pub agent: &'a str,
    /// The number that was dialled.
    pub dialled: &'a str,
    /// The call's name.
    pub call: &'a str,
}

/// A part of a pattern.
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

impl Pattern {
    /// The path of a call's file within the folder. What is of a call is made safe: no other file and no other folder can be
    /// meant, whatever a party calls itself.
    pub fn path(&self, values: &Values<'_>) -> PathBuf {
        let mut name = String::new();
        for piece in pieces(&self.0).into_iter().flatten() {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Place(place) => name.push_str(&safe(values.of(place).unwrap_or_default())),
            }
        }
        PathBuf::from(name + EXTENSION)
    }
}

/// What a file is called as long as it is written.
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    name.into()
}

/// What a file that was being written is to be called; `None` for a file that is none.
pub fn whole_of(part: &Path) -> Option<PathBuf> {
    let whole = part.to_str()?.strip_suffix(PART)?;
    whole.ends_with(EXTENSION).then(|| whole.into())
}

/// Whether a file may be one of ours.
pub fn is_whole(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(EXTENSION))
}

impl Default for Pattern {
    fn default() -> Self {
        Self(PATTERN_DEFAULT.into())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_+./{}".contains(letter);
        if text.is_empty() || text.len() > PATTERN_MAX || !text.chars().all(is_plain) {
            return Err(PatternError::Characters);
        }
        if text.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return Err(PatternError::Path);
        }
        pieces(text).ok_or(PatternError::Place)?;
        let last = text.rsplit('/').next().unwrap_or_default();
        if !last.contains("{call}") {
            return Err(PatternError::NotUnique);
        }
        Ok(Self(text.into()))
    }
}

impl<'a> Values<'a> {
    fn of(&self, place: &str) -> Option<&'a str> {
        Some(match place {
            "date" => self.date,
            "time" => self.time,
            "caller" => self.caller,
            "agent" => self.agent,
            "dialled" => self.dialled,
            "call" => self.call,
            _ => return None,
        })
    }
}

/// A pattern in its pieces; `None` where a brace is not closed, or names no place.
fn pieces(pattern: &str) -> Option<Vec<Piece<'_>>> {
    const NONE: Values<'_> = Values { date: "", time: "", caller: "", agent: "", dialled: "", call: "" };
    let mut pieces = Vec::new();
    for (at, text) in pattern.split('{').enumerate() {
        if at == 0 {
            pieces.push(Piece::Text(text));
            continue;
        }
        let (place, text) = text.split_once('}')?;
        NONE.of(place)?;
        pieces.extend([Piece::Place(place), Piece::Text(text)]);
    }
    let is_open = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.contains('}'));
    (!pieces.iter().any(is_open)).then_some(pieces)
}

/// A value as it may stand in a name.
fn safe(value: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || "+-".contains(letter) { letter } else { '_' };
    let safe: String = value.chars().take(VALUE_MAX).map(letter).collect();
    if safe.is_empty() { "unknown".into() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: Values<'_> = Values {
        date: "2026-11-27",
        time: "08-30-00",
        caller: "+49 30/123",
        agent: "../../etc/passwd",
        dialled: "",
        call: "00c0ffee00c0ffee",
    };

    #[test]
    fn a_name_has_what_is_known_of_a_call_and_stays_in_its_folder() {
        let path = |text: &str| text.parse::<Pattern>().unwrap().path(&VALUES).display().to_string();
        assert_eq!(path(PATTERN_DEFAULT), "2026-11-27/08-30-00-+49_30_123-______etc_passwd-00c0ffee00c0ffee.wav");
        assert_eq!(path("a/{dialled}.{call}"), "a/unknown.00c0ffee00c0ffee.wav");
    }

    #[test]
    fn a_pattern_that_could_do_harm_is_none() {
        use PatternError::{Characters, NotUnique, Path, Place};
        for (text, why) in [
            ("", Characters),
            ("{call} ", Characters),
            ("ä{call}", Characters),
            ("/{call}", Path),
            ("../{call}", Path),
            ("a//{call}", Path),
            (".{call}", Path),
            ("{cal}", Place),
            ("{call", Place),
            ("call}{call}", Place),
            ("{caller}", NotUnique),
            ("{call}/{agent}", NotUnique),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(why), "{text}");
        }
        assert_eq!(PATTERN_DEFAULT.parse(), Ok(Pattern::default()));
    }

    #[test]
    fn a_file_that_is_written_is_known_by_its_name() {
        let path = Path::new("/srv/a.wav");
        let part = part_of(path);
        assert_eq!((part.as_path(), whole_of(&part).as_deref()), (Path::new("/srv/a.wav.part"), Some(path)));
        assert_eq!((whole_of(path), whole_of(Path::new("/srv/a.txt.part"))), (None, None));
        assert!(is_whole(path) && !is_whole(&part));
    }
}
