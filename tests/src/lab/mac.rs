//! Ethernet addresses.

use std::fmt;

/// A MAC address; prints as `02:75:74:00:01:02`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The locally administered unicast address of one end of one of a lab's links.
    pub const fn local(link: u8, end: u8) -> Self {
        Self([0x02, b'u', b't', 0, link, end])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.map(|byte| format!("{byte:02x}"));
        formatter.write_str(&bytes.join(":"))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_tools_expect_it() {
        assert_eq!(Mac::local(1, 0xab).to_string(), "02:75:74:00:01:ab");
    }
}
