//! baresip on the hosts of an exchange: telephones that speak.

use std::process::Command;

use undertone_tests::{
    Error, Result,
    phone::{Codec, Line, Phone},
};

use super::{exchange::Exchange, ground::Who};
use crate::daemon::operator::other;

impl Exchange {
    /// Starts a telephone that says `speech` once it is connected, and answers who calls it.
    pub(super) fn phone(&self, who: Who, speech: &[i16], more: &str) -> Result<Phone> {
        self.phone_of(who, "100", speech, more)
    }

    /// The same with another number.
    pub(super) fn phone_of(&self, who: Who, number: &str, speech: &[i16], more: &str) -> Result<Phone> {
        self.phone_with(Codec::Pcmu, who, number, speech, more)
    }

    /// The same with another codec.
    pub(super) fn phone_with(&self, codec: Codec, who: Who, number: &str, speech: &[i16], more: &str) -> Result<Phone> {
        let line = Line {
            name: who.name().into(),
            number: number.into(),
            at: self.address_of(who),
            transport: self.line(who).over.key().into(),
            codec,
            namespace: self.ground.namespace(who).cloned(),
            folder: self.operator.file(&format!("phone-{}", who.name())),
            more: more.into(),
        };
        line.start(speech)
    }

    /// Whom a telephone has to call to reach 100 at the other side.
    pub(super) fn extension(&self, from: Who) -> String {
        format!("sip:100@{}", self.address_for(from))
    }
}

/// Runs a tool, and says what it wrote when it fails.
pub(super) fn tool(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| Error::Other(format!("{command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(other(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}
