//! The XDP programs against a model: whatever a packet looks like, both say the same of it.
//!
//! [`Model`](model::Model) is the specification, plain and slow. A test describes a [`Scene`](scene::Scene) — a node
//! with a few streams — and what happens to it; [`Program`](program::Program) runs the program in the kernel on every
//! packet, and each must come to the same verdict, the same bytes and the same counters.

mod cable;
mod checksums;
mod copied;
mod cpu;
mod frame;
mod model;
mod node;
mod packets;
mod payload;
mod program;
mod scene;
mod sequences;
mod sum;
mod trial;
mod wires;

mod privileged {
    use std::cell::RefCell;

    use aya::programs::xdp::XdpMode;
    use proptest::prelude::*;
    use proptest::test_runner::{FileFailurePersistence, TestError, TestRunner};
    use undertone_tests::Result;
    use undertone_tests::lab::{End, Link, Mac, Namespace};

    use super::copied::{Burst, bursts};
    use super::frame::{FRAME_BYTES_MIN, Fault};
    use super::packets::{packets, whole_packets};
    use super::scene::{Interfaces, scenes};
    use super::sequences::sequences;
    use super::trial::{Agreement, Trial};
    use super::wires::{Crossing, Feed, Wires};

    #[test]
    fn every_packet_fares_as_the_model_says() -> Result<()> {
        let cases = || (scenes(), prop::collection::vec(packets(), 1..8));
        try_out(3000, cases, |trial, (scene, packets)| {
            trial.begin(&scene);
            packets.iter().try_for_each(|packet| trial.packet(packet))?;
            trial.counters()
        })
    }

    #[test]
    fn a_packet_cut_short_at_any_byte_fares_as_the_model_says() -> Result<()> {
        let cases = || (scenes(), whole_packets());
        try_out(100, cases, |trial, (scene, packet)| {
            trial.begin(&scene);
            let mut lengths = FRAME_BYTES_MIN..=packet.frame(&scene).bytes().len();
            lengths.try_for_each(|length| trial.spoilt_packet(&packet, Fault::Cut(length as u16)))?;
            trial.counters()
        })
    }

    #[test]
    fn a_packet_with_any_byte_changed_fares_as_the_model_says() -> Result<()> {
        let cases = || (scenes(), whole_packets(), 1..=u8::MAX);
        try_out(200, cases, |trial, (scene, packet, change)| {
            trial.begin(&scene);
            let bytes = packet.frame(&scene).bytes();
            let faults = bytes.iter().enumerate().map(|(at, byte)| Fault::Byte(at as u16, byte ^ change));
            // Beyond the headers, one byte is as good as another.
            faults.take(120).try_for_each(|fault| trial.spoilt_packet(&packet, fault))?;
            trial.counters()
        })
    }

    #[test]
    fn streams_are_learned_locked_and_counted_as_the_model_says() -> Result<()> {
        let cases = || (scenes(), sequences(60));
        try_out(600, cases, |trial, (scene, events)| {
            trial.begin(&scene);
            events.iter().try_for_each(|event| {
                trial.event(event)?;
                trial.counters()
            })
        })
    }

    #[test]
    fn streams_and_their_copies_leave_as_the_model_says() -> Result<()> {
        cross(80, Feed::OneByOne(XdpMode::Driver), || bursts(1..=40))
    }

    #[test]
    fn a_packet_many_times_over_is_copied_each_time() -> Result<()> {
        cross(30, Feed::Repeated(25), || bursts(1..=2))
    }

    #[test]
    fn streams_cross_in_generic_mode() -> Result<()> {
        cross(40, Feed::OneByOne(XdpMode::Skb), || bursts(1..=40).prop_map(Burst::without_copies))
    }

    /// Runs a property on programs that packets are handed to, in a namespace of their own.
    fn try_out<S: Strategy>(
        cases: u32,
        strategy: impl FnOnce() -> S + Send,
        property: impl Fn(&mut Trial, S::Value) -> Agreement + Send + Sync,
    ) -> Result<()> {
        let node = Namespace::create("model")?;
        let [near, far] = [("network", 1), ("mixer", 2)].map(|(name, end)| End::new(&node, name, Mac::local(1, end)));
        let link = Link::connect(near, far)?;
        let interfaces = Interfaces { network: link.near.index()?, mixer: link.far.index()? };
        node.run(|| {
            let trial = RefCell::new(Trial::new(interfaces));
            check(cases, &strategy(), |case| property(&mut trial.borrow_mut(), case));
        })
    }

    /// Sends bursts through programs on links, and looks at what arrives at the far ends.
    fn cross<S: Strategy<Value = Burst>>(cases: u32, feed: Feed, strategy: impl FnOnce() -> S + Send) -> Result<()> {
        let wires = Wires::lay()?;
        wires.node.run(|| {
            let crossing = RefCell::new(Crossing::new(&wires, feed)?);
            check(cases, &strategy(), |burst| crossing.borrow_mut().burst(&burst));
            Ok(())
        })?
    }

    /// Tries a property on so many cases. One that failed is tried first ever after.
    fn check<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> Agreement) {
        let failed_before = FileFailurePersistence::Direct("proptest-regressions/xdp_model.txt");
        let config =
            ProptestConfig { cases, failure_persistence: Some(Box::new(failed_before)), ..ProptestConfig::default() };
        match TestRunner::new(config).run(strategy, property) {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => panic!("{reason}\n  in the case:\n{case:?}"),
            Err(aborted) => panic!("{aborted}"),
        }
    }
}
