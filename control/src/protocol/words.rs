//! Values that stand in JSON as their names, for `#[serde(with = …)]`.

/// A [`Named`](undertone_control_core::names::Named) value.
pub(crate) mod named {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use undertone_control_core::names::Named;

    pub(crate) fn serialize<T: Named, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(value.name())
    }

    pub(crate) fn deserialize<'d, T: Named, D: Deserializer<'d>>(deserializer: D) -> Result<T, D::Error> {
        let name = String::deserialize(deserializer)?;
        T::from_name(&name)
            .ok_or_else(|| D::Error::custom(format!("\"{name}\" is not {}: it is {}", T::WHAT, T::all_names())))
    }
}

/// A code point, or none.
pub(super) mod dscp {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use undertone_control_core::names::{DSCP_FORM, dscp_from_text, dscp_text};
    use undertone_core::Dscp;

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(in crate::protocol) fn serialize<S: Serializer>(
        value: &Option<Dscp>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(dscp) => serializer.serialize_str(&dscp_text(*dscp)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::protocol) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<Dscp>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let dscp = dscp_from_text(&text);
        dscp.map(Some).ok_or_else(|| D::Error::custom(format!("\"{text}\" is not {DSCP_FORM}")))
    }
}

/// A clock rate, in hertz.
pub(super) mod clock {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use undertone_core::Clock;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(in crate::protocol) fn serialize<S: Serializer>(value: &Clock, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(value.hz())
    }

    pub(in crate::protocol) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Clock, D::Error> {
        let hz = u32::deserialize(deserializer)?;
        Clock::from_hz(hz).ok_or_else(|| D::Error::custom(format!("{hz} Hz is not the clock rate of an RTP payload")))
    }
}
