//! How often a password may be guessed.
//!
//! Every attempt counts as a failure from when it begins, so that many at once are no way around; one that turns out well takes
//! that back. With too many failures a name or an address is locked for a time that doubles. Whether a name is anybody's makes no
//! difference: who asks would learn it from that.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

/// Failures of a name, and of an address, that nothing is made of.
const FAILURES_OF_NAME: u32 = 5;
const FAILURES_OF_ADDRESS: u32 = 20;
/// How long the first lock lasts, and how long any.
const LOCK_MS: u64 = 30_000;
const LOCK_MS_MAX: u64 = 15 * 60_000;
/// After this time without another failure, those that there were are forgotten.
const MEMORY_MS: u64 = 60 * 60_000;
/// Names and addresses that are remembered. Beyond, those that failed longest ago are forgotten.
const REMEMBERED_MAX: usize = 10_000;
/// Characters of a name that tell it from others.
const NAME_MAX: usize = 64;

/// Who has failed of late. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    of: HashMap<Guesser, Failures>,
}

/// Not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Seconds until the next attempt is taken, from 1 on.
    pub for_s: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Guesser {
    Name(String),
    /// An IPv6 network of 64 bits is one household's.
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    count: u32,
    last_ms: u64,
}

impl Attempts {
    /// Somebody is about to try a password for a name, from an address.
    pub fn begin(&mut self, name: &str, from: IpAddr, now_ms: u64) -> Result<(), Locked> {
        let guessers = guessers(name, from);
        let until = guessers.iter().filter_map(|guesser| Some(self.of.get(guesser)?.locked_until(guesser))).max();
        if let Some(left_ms) = until.and_then(|until| until.checked_sub(now_ms)).filter(|left_ms| *left_ms > 0) {
            return Err(Locked { for_s: left_ms.div_ceil(1_000) });
        }
        for guesser in guessers {
            self.make_room(now_ms);
            self.of.entry(guesser).or_default().add(now_ms);
        }
        Ok(())
    }

    /// It was the right one.
    pub fn succeeded(&mut self, name: &str, from: IpAddr) {
        let [name, address] = guessers(name, from);
        self.of.remove(&name);
        // What others behind the same address have failed at stays.
        if let Some(failures) = self.of.get_mut(&address) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    fn make_room(&mut self, now_ms: u64) {
        if self.of.len() < REMEMBERED_MAX {
            return;
        }
        self.of.retain(|_, failures| now_ms.saturating_sub(failures.last_ms) < MEMORY_MS);
        if self.of.len() >= REMEMBERED_MAX {
            let mut times: Vec<_> = self.of.values().map(|failures| failures.last_ms).collect();
            let (_, middle, _) = times.select_nth_unstable(REMEMBERED_MAX / 2);
            let middle = *middle;
            self.of.retain(|_, failures| failures.last_ms > middle);
        }
    }
}

impl Failures {
    fn add(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.last_ms) >= MEMORY_MS {
            self.count = 0;
        }
        *self = Self { count: self.count.saturating_add(1), last_ms: now_ms };
    }

    /// Until when nothing is taken; before now where nothing stands against it.
    fn locked_until(self, guesser: &Guesser) -> u64 {
        let free = match guesser {
            Guesser::Name(_) => FAILURES_OF_NAME,
            Guesser::Address(_) => FAILURES_OF_ADDRESS,
        };
        match self.count.checked_sub(free) {
            Some(beyond) => self.last_ms + LOCK_MS.saturating_mul(1 << beyond.min(16)).min(LOCK_MS_MAX),
            None => 0,
        }
    }
}

fn guessers(name: &str, from: IpAddr) -> [Guesser; 2] {
    let address = match from.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address @ IpAddr::V4(_) => address,
    };
    [Guesser::Name(name.chars().take(NAME_MAX).collect()), Guesser::Address(address)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn address(last: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, 0, last, 0, 0, 0, 1).into()
    }

    #[test]
    fn a_name_is_locked_for_longer_and_longer() {
        let mut attempts = Attempts::default();
        let mut now_ms = 1_000_000_000;
        for from in 0..5 {
            assert_eq!(attempts.begin("sue", address(from), now_ms), Ok(()), "{from}");
        }
        for for_s in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(attempts.begin("sue", address(100), now_ms), Err(Locked { for_s }));
            assert_eq!(attempts.begin("ann", address(100), now_ms), Ok(()), "nobody else is locked");
            attempts.succeeded("ann", address(100));
            now_ms += for_s * 1_000 - 1;
            assert_eq!(attempts.begin("sue", address(100), now_ms), Err(Locked { for_s: 1 }));
            now_ms += 1;
            assert_eq!(attempts.begin("sue", address(101), now_ms), Ok(()));
        }
        assert!(attempts.begin("sue", HOME, now_ms).is_err());
        assert_eq!(attempts.begin("sue", HOME, now_ms + MEMORY_MS), Ok(()), "all is forgotten");
        assert_eq!(attempts.begin("sue", HOME, now_ms + MEMORY_MS), Ok(()));
    }

    #[test]
    fn an_address_is_locked_whatever_names_it_tries() {
        let mut attempts = Attempts::default();
        let network = |host: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host).into();
        for guess in 0..20 {
            assert_eq!(attempts.begin(&format!("user{guess}"), network(guess), 1_000), Ok(()));
        }
        assert_eq!(attempts.begin("sue", network(99), 1_000), Err(Locked { for_s: 30 }));
        assert_eq!(attempts.begin("sue", HOME, 1_000), Ok(()), "from elsewhere she signs in");
    }

    #[test]
    fn who_signs_in_is_not_counted() {
        let mut attempts = Attempts::default();
        for time in 0..100 {
            assert_eq!(attempts.begin("sue", HOME, time), Ok(()));
            attempts.succeeded("sue", HOME);
        }
        for _ in 0..4 {
            assert_eq!(attempts.begin("sue", HOME, 100), Ok(()));
        }
        assert_eq!(attempts.begin("sue", HOME, 100), Ok(()));
        assert_eq!(attempts.begin("sue", HOME, 100), Err(Locked { for_s: 30 }));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut attempts = Attempts::default();
        for guess in 0..3 * REMEMBERED_MAX as u64 {
            let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(guess as u32));
            assert_eq!(attempts.begin(&format!("user{guess}"), from, guess), Ok(()));
            assert!(attempts.of.len() <= REMEMBERED_MAX);
        }
    }
}
