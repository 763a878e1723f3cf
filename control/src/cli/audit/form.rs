//! Rows as a table and as CSV.

use std::{borrow::Cow, io::Write};

use comfy_table::CellAlignment::{Left, Right};
use undertone_control_core::audit::{FIELDS, Row};

use super::super::{
    export::{self, heard, or_dash, plain, text},
    output,
};
use crate::{failure::Failure, storage::StorageError};

/// Characters of a time that a person reads: up to the milliseconds.
const AT_SHOWN: usize = "2026-11-26T08:00:00.000".len();
/// Digits of a name that tell it from others of the same day.
const NAME_SHOWN: usize = 8;

/// Writes a table for people.
pub(super) fn table(rows: impl Iterator<Item = Result<Row, StorageError>>, mut out: impl Write) -> Result<(), Failure> {
    let headings = ["AT", "WHAT", "BY", "VIA", "ON", "MODE", "REASON", "SESSION", "CALL"];
    let columns = std::iter::once(("ROW", Right)).chain(headings.map(|heading| (heading, Left)));
    let mut table = output::table(columns);
    for row in rows {
        table.add_row(cells(&row?).map(|cell| plain(&cell)));
    }
    if table.is_empty() {
        return heard(writeln!(out, "no such rows").and_then(|()| out.flush()));
    }
    let lines = output::lines(&table).join("\n");
    heard(writeln!(out, "{lines}").and_then(|()| out.flush()))
}

fn cells(row: &Row) -> [String; 10] {
    [
        row.number.to_string(),
        format!("{}Z", row.at.get(..AT_SHOWN).unwrap_or(&row.at)),
        row.what.clone(),
        person(&row.user, &row.extension, &row.address),
        or_dash(&row.via),
        person(&row.target_user, &row.target_extension, ""),
        or_dash(&row.mode),
        or_dash(&row.reason),
        or_dash(row.session.get(..NAME_SHOWN).unwrap_or(&row.session)),
        or_dash(row.call.get(..NAME_SHOWN).unwrap_or(&row.call)),
    ]
}

/// Who somebody is: the name, and the extension behind it; or, of somebody without, from where.
fn person(user: &str, extension: &str, address: &str) -> String {
    match (user, extension) {
        ("", "") => or_dash(address),
        ("", extension) => extension.into(),
        (user, "") => user.into(),
        (user, extension) => format!("{user} ({extension})"),
    }
}

const COLUMNS: usize = FIELDS.len() + 2;

/// Writes comma-separated values.
pub(crate) fn csv(rows: impl Iterator<Item = Result<Row, StorageError>>, out: impl Write) -> Result<(), Failure> {
    let mut headings = ["number"; COLUMNS];
    headings[1..COLUMNS - 1].copy_from_slice(&FIELDS);
    headings[COLUMNS - 1] = "hash";
    export::csv(headings, rows, fields, out)
}

fn fields(row: &Row) -> [Cow<'_, str>; COLUMNS] {
    let mut fields: [Cow<'_, str>; COLUMNS] = std::array::from_fn(|_| Cow::default());
    fields[0] = row.number.to_string().into();
    for (field, value) in fields[1..].iter_mut().zip(row.fields()) {
        *field = text(value);
    }
    fields[COLUMNS - 1] = row.hash.to_string().into();
    fields
}

#[cfg(test)]
mod tests {
    use undertone_control_core::{
        audit::{By, Event, Hash, Head, On, What},
        call::CallId,
        monitor::SessionId,
        permission::{Denial, Via},
    };
    use undertone_core::mixer::Mode;

    use super::*;

    /// A refusal, a configuration, and what a hostile telephone says of itself.
    fn rows() -> Vec<Result<Row, StorageError>> {
        let by = By { user: "ann".into(), extension: "200".into(), via: Via::Phone, address: "192.0.2.7".into() };
        let refused = Event {
            on: On { user: "bob".into(), extension: "100".into() },
            call: Some(CallId(0x00c0_ffee_00c0_ffee)),
            session: Some(SessionId(7)),
            mode: Some(Mode::Listen),
            reason: Denial::NoRule.key().into(),
            ..Event::new(What::Refused, by.clone())
        };
        let operator = By { via: Via::Cli, address: "uid 0".into(), ..By::node() };
        let configured = Event::new(What::ConfigurationChanged, operator).with("rules", 2);
        let hostile = Event { on: On { extension: "=1+1".into(), ..On::default() }, ..Event::new(What::Refused, by) };
        let mut head = Head { number: 0, hash: Hash([1; 32]) };
        let seal = |event| {
            let row = Row::seal(&event, "2026-11-26T08:00:00.123456789Z".into(), &head);
            head = row.head();
            Ok(row)
        };
        [refused, configured, hostile].map(seal).into()
    }

    #[test]
    fn the_table_is_for_people() {
        let expected = "\
ROW  AT                        WHAT                   BY         VIA    ON         MODE    REASON   SESSION   CALL
  1  2026-11-26T08:00:00.123Z  refused                ann (200)  phone  bob (100)  listen  no-rule  00000000  00c0ffee
  2  2026-11-26T08:00:00.123Z  configuration-changed  uid 0      cli    -          -       -        -         -
  3  2026-11-26T08:00:00.123Z  refused                ann (200)  phone  =1+1       -       -        -         -
";
        let mut out = Vec::new();
        table(rows().into_iter(), &mut out).expect("written");
        assert_eq!(String::from_utf8(out).expect("text"), expected);
        let mut out = Vec::new();
        table(std::iter::empty(), &mut out).expect("written");
        assert_eq!(out, b"no such rows\n");
    }

    #[test]
    fn csv_has_every_field_and_runs_in_no_spreadsheet() {
        let mut out = Vec::new();
        csv(rows().into_iter(), &mut out).expect("written");
        let text = String::from_utf8(out).expect("text");
        let lines: Vec<_> = text.split_terminator("\r\n").collect();
        let hashes = rows().into_iter().map(|row| row.expect("a row").hash.to_string()).collect::<Vec<_>>();
        let expected = [
            "number,at,what,user,extension,via,address,target_user,target_extension,call,session,mode,reason,details,hash"
                .to_owned(),
            format!(
                "1,2026-11-26T08:00:00.123456789Z,refused,ann,200,phone,192.0.2.7,bob,100,00c0ffee00c0ffee,0000000000000007,\
                 listen,no-rule,{{}},{}",
                hashes[0]
            ),
            format!(
                "2,2026-11-26T08:00:00.123456789Z,configuration-changed,,,cli,uid 0,,,,,,,\"{{\"\"rules\"\":2}}\",{}",
                hashes[1]
            ),
            format!("3,2026-11-26T08:00:00.123456789Z,refused,ann,200,phone,192.0.2.7,,'=1+1,,,,,{{}},{}", hashes[2]),
        ];
        assert_eq!(lines, expected);
    }
}
