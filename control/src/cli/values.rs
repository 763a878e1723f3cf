//! Arguments that are values of the data plane.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use undertone_control_core::names::{DSCP_FORM, Named, dscp_from_text};
use undertone_core::{Clock, Dscp};

/// A value by its name; the help lists all.
pub(super) fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
    PossibleValuesParser::new(names).try_map(|name| T::from_name(&name).ok_or("not a known name"))
}

/// A clock rate in hertz.
pub(super) fn clock(text: &str) -> Result<Clock, String> {
    let clock = text.parse().ok().and_then(Clock::from_hz);
    clock.ok_or_else(|| {
        let mut rates = Clock::ALL.map(Clock::hz);
        rates.sort_unstable();
        format!("the clock rate of an RTP payload is one of {} Hz", rates.map(|hz| hz.to_string()).join(", "))
    })
}

/// A code point by number or name.
pub(super) fn dscp(text: &str) -> Result<Dscp, String> {
    dscp_from_text(text).ok_or_else(|| format!("it is {DSCP_FORM}"))
}
