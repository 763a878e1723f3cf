//! The XDP programs against a model: whatever a packet looks like, both say the same of it.
//!
//! [`Model`](model::Model) is the specification, plain and slow. A test describes a [`Scene`](scene::Scene) — a node
//! with a few streams — and what happens to it; [`Program`](program::Program) runs the program in the kernel on every
//! packet, and each must come to the same verdict, the same bytes and the same counters.

mod cable;
mod checksums;
mod copied;
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
    use super::program::Program;
    use super::scene::{Interfaces, scenes};
    use super::sequences::sequences;
    use super::trial::{Agreement, Trial};
    use super::wires::{Crossing, Wires};

    #[test]
    fn every_packet_fares_as_the_model_says() -> Result<()> {
        check(
            3000,
            || (scenes(), prop::collection::vec(packets(), 1..8)),
            |trial, (scene, packets)| {
                trial.begin(&scene);
                packets.iter().try_for_each(|packet| trial.packet(packet))?;
                trial.counters()
            },
        )
    }

    #[test]
    fn a_packet_cut_short_at_any_byte_fares_as_the_model_says() -> Result<()> {
        check(
            100,
            || (scenes(), whole_packets()),
            |trial, (scene, packet)| {
                trial.begin(&scene);
                let mut lengths = FRAME_BYTES_MIN..=packet.frame(&scene).bytes().len();
                lengths.try_for_each(|length| trial.spoilt_packet(&packet, Fault::Cut(length as u16)))?;
                trial.counters()
            },
        )
    }

    #[test]
    fn a_packet_with_any_byte_changed_fares_as_the_model_says() -> Result<()> {
        check(
            200,
            || (scenes(), whole_packets(), 1..=u8::MAX),
            |trial, (scene, packet, change)| {
                trial.begin(&scene);
                let bytes = packet.frame(&scene).bytes();
                let mut changes =
                    bytes.iter().enumerate().take(120).map(|(at, byte)| Fault::Byte(at as u16, byte ^ change));
                changes.try_for_each(|fault| trial.spoilt_packet(&packet, fault))?;
                trial.counters()
            },
        )
    }

    #[test]
    fn streams_are_learned_locked_and_counted_as_the_model_says() -> Result<()> {
        check(
            600,
            || (scenes(), sequences(60)),
            |trial, (scene, events)| {
                trial.begin(&scene);
                events.iter().try_for_each(|event| {
                    trial.event(event)?;
                    trial.counters()
                })
            },
        )
    }

    #[test]
    fn copies_leave_as_the_model_says() -> Result<()> {
        cross(40, XdpMode::Driver, || bursts(40))
    }

    #[test]
    fn copies_leave_as_the_model_says_generic() -> Result<()> {
        cross(40, XdpMode::Skb, || bursts(1))
    }

    #[test]
    fn plain_leave_as_the_model_says_generic() -> Result<()> {
        cross(40, XdpMode::Skb, || bursts(10).prop_map(Burst::without_copies))
    }

    #[test]
    fn explore() -> Result<()> {
        let wires = Wires::lay()?;
        wires.node.run(|| {
            let mut program = Program::load().unwrap_or_else(|error| panic!("{error}"));
            let relay = program.kernel.relay().unwrap();
            relay.attach("ingress", XdpMode::Skb).unwrap();
            let mut crossing = Crossing::new(&wires, program)?;
            for n in 0..6 {
                crossing.look(&super::copied::example(n));
            }
            Ok(())
        })?
    }

    fn cross<S: Strategy<Value = Burst>>(cases: u32, mode: XdpMode, strategy: impl FnOnce() -> S + Send) -> Result<()> {
        let wires = Wires::lay()?;
        wires.node.run(|| {
            let mut program = Program::load().unwrap_or_else(|error| panic!("{error}"));
            let relay = program.kernel.relay().unwrap();
            relay.attach("ingress", mode).unwrap();
            let crossing = RefCell::new(Crossing::new(&wires, program)?);
            check_all(cases, &strategy(), |burst| crossing.borrow_mut().burst(&burst));
            Ok(())
        })?
    }

    fn check_all<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> Agreement) {
        let config =
            ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() };
        match TestRunner::new(config).run(strategy, property) {
            Ok(()) => {}
            Err(TestError::Fail(reason, case)) => panic!("{reason}\n  in the case:\n{case:?}"),
            Err(aborted) => panic!("{aborted}"),
        }
    }

    /// Runs a property against programs in a namespace of their own.
    fn check<S: Strategy>(
        cases: u32,
        strategy: impl FnOnce() -> S + Send,
        property: impl Fn(&mut Trial, S::Value) -> Agreement + Send + Sync,
    ) -> Result<()> {
        let node = Namespace::create("model")?;
        let link =
            Link::connect(End::new(&node, "network", Mac::local(1, 1)), End::new(&node, "mixer", Mac::local(1, 2)))?;
        let interfaces = Interfaces { network: link.near.index()?, mixer: link.far.index()? };
        node.run(|| {
            let trial = RefCell::new(Trial::new(interfaces));
            let config = ProptestConfig {
                cases: cases * std::env::var("SOAK").map_or(1, |soak| soak.parse().unwrap()),
                max_global_rejects: 1_000_000,
                failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
                    "proptest-regressions/xdp_model.txt",
                ))),
                ..ProptestConfig::default()
            };
            let outcome = TestRunner::new(config).run(&strategy(), |case| property(&mut trial.borrow_mut(), case));
            eprintln!("{:?}", trial.borrow().seen);
            match outcome {
                Ok(()) => {}
                Err(TestError::Fail(reason, case)) => panic!("{reason}\n  in the case:\n{case:?}"),
                Err(aborted) => panic!("{aborted}"),
            }
        })
    }
}
