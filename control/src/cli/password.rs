//! `undertone password`.

use std::io::{IsTerminal as _, stdin};

use clap::Args as ClapArgs;

use crate::{
    failure::Failure,
    portal::password::{LENGTH_MAX, LENGTH_MIN, hash},
};

/// Make the hash of a password, for a user to sign in with at the portal.
///
/// Asks for the password, twice, or reads it as a line of the standard input where that is no terminal. Prints what to write for
/// `password` in the section of a user of the configuration; `undertone reload` has it hold. Who is signed in as that user has to
/// sign in again then.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: &Args) -> Result<(), Failure> {
    let password = ask()?;
    check(&password)?;
    let hash = hash(&password).ok_or_else(|| Failure::new("no hash can be made of this password"))?;
    println!("password = \"{}\"", hash.as_str());
    Ok(())
}

fn ask() -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot read the password: {error}"));
    if !stdin().is_terminal() {
        let mut line = String::new();
        stdin().read_line(&mut line).map_err(failed)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let [first, second] = ["Password: ", "The same again: "].map(rpassword::prompt_password);
    let (first, second) = (first.map_err(failed)?, second.map_err(failed)?);
    if first == second {
        Ok(first)
    } else {
        Err(Failure::new("these are two passwords").with_way_out("type the same twice"))
    }
}

fn check(password: &str) -> Result<(), Failure> {
    let length = password.chars().count();
    let wrong = match length {
        ..LENGTH_MIN => format!("this password has {length} characters, and is soon guessed"),
        LENGTH_MIN..=LENGTH_MAX if password.contains(char::is_control) => "this password has control characters".into(),
        LENGTH_MIN..=LENGTH_MAX => return Ok(()),
        _ => format!("this password has {length} characters"),
    };
    Err(Failure::new(wrong)
        .with_way_out(format!("take {LENGTH_MIN} to {LENGTH_MAX}: some words that do not belong together")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        let is_taken = |password: &str| check(password).is_ok();
        assert!(is_taken("ten-chars!") && is_taken(&"x".repeat(256)) && is_taken("zehn Zeichen äöü"));
        assert!(
            !is_taken("nine-char") && !is_taken("") && !is_taken(&"x".repeat(257)) && !is_taken("with\ttabs in it")
        );
    }
}
