//! Which media ports are free.

use std::{collections::VecDeque, net::IpAddr};

/// Pairs of media ports, an even one for RTP and the next for RTCP, on each media address.
///
/// A pair that comes back is the last to be given out again, so that stragglers of its last call find nobody.
#[derive(Clone, Debug)]
pub struct Ports {
    addresses: Vec<Address>,
    pairs: usize,
}

#[derive(Clone, Debug)]
struct Address {
    ip: IpAddr,
    free: VecDeque<u16>,
}

impl Ports {
    /// The pairs from `first` to `last` on each address.
    pub fn new(addresses: &[IpAddr], first: u16, last: u16) -> Self {
        let even = first + first % 2;
        let free: VecDeque<u16> = (even..last).step_by(2).collect();
        let pairs = free.len();
        Self { addresses: addresses.iter().map(|ip| Address { ip: *ip, free: free.clone() }).collect(), pairs }
    }

    /// The address number `index`.
    pub fn address(&self, index: u8) -> Option<IpAddr> {
        self.addresses.get(index as usize).map(|address| address.ip)
    }

    /// Every address.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().map(|address| address.ip)
    }

    /// Takes a pair: its even port.
    pub fn take(&mut self, index: u8) -> Option<u16> {
        self.addresses.get_mut(index as usize)?.free.pop_front()
    }

    /// How many pairs the address number `index` has left.
    pub fn free(&self, index: u8) -> usize {
        self.addresses.get(index as usize).map_or(0, |address| address.free.len())
    }

    /// Takes a certain pair, as a call that goes on from before has it. False when somebody has it.
    pub fn claim(&mut self, ip: IpAddr, port: u16) -> bool {
        let Some(address) = self.addresses.iter_mut().find(|address| address.ip == ip) else { return false };
        let at = address.free.iter().position(|free| *free == port);
        at.and_then(|at| address.free.remove(at)).is_some()
    }

    /// Gives a pair back.
    pub fn give(&mut self, ip: IpAddr, port: u16) {
        if let Some(address) = self.addresses.iter_mut().find(|address| address.ip == ip) {
            address.free.push_back(port);
        }
    }

    /// How many pairs are in use, and how many there are.
    pub fn used(&self) -> (usize, usize) {
        let all = self.pairs * self.addresses.len();
        (all - self.addresses.iter().map(|address| address.free.len()).sum::<usize>(), all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_that_came_back_last_is_given_out_last() {
        let ip: IpAddr = [192, 0, 2, 1].into();
        let mut ports = Ports::new(&[ip], 20_000, 20_007);
        let taken: Vec<_> = std::iter::from_fn(|| ports.take(0)).collect();
        assert_eq!((taken, ports.used()), (vec![20_000, 20_002, 20_004, 20_006], (4, 4)));
        ports.give(ip, 20_004);
        ports.give(ip, 20_000);
        assert_eq!([ports.take(0), ports.take(0), ports.take(0)], [Some(20_004), Some(20_000), None]);
        ports.give(ip, 20_002);
        assert!(ports.claim(ip, 20_002) && !ports.claim(ip, 20_002));
        assert_eq!(ports.take(9), None);
    }
}
