//! The program and the model side by side.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use undertone_abi::{CopyMark, Epoch, Fate, RowIndex, limits::LEARN_WINDOW_MS};

use super::checksums::Checksums;
use super::cpu;
use super::frame::{Fault, Frame, dump};
use super::model::{By, Leaving, Model, Outcome};
use super::packets::Packet;
use super::program::{Program, Run, mark};
use super::scene::{At, Interfaces, Scene};
use super::sequences::{Event, Senders};

/// Whether program and model agree.
pub(super) type Agreement = Result<(), TestCaseError>;

/// The actions of `enum xdp_action`, `linux/bpf.h`.
const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

/// The program and the model, with the same tables.
pub(super) struct Trial {
    program: Program,
    interfaces: Interfaces,
    model: Model,
    scene: Scene,
    senders: Senders,
    begun: Instant,
    /// The serial of the last packet that was broadcast.
    serial: u32,
}

impl Trial {
    /// Loads the programs for a node with these interfaces.
    ///
    /// The calling thread stays on one CPU from now on, because the program keeps some of its state per CPU.
    pub(super) fn new(interfaces: Interfaces) -> Self {
        cpu::stay_on_one_cpu();
        let program = Program::load().unwrap_or_else(|error| panic!("{error}"));
        Self {
            program,
            interfaces,
            model: Model::default(),
            scene: Scene::default(),
            senders: Senders::default(),
            begun: Instant::now(),
            serial: 0,
        }
    }

    /// Makes the node that of `scene`, with streams that nothing has happened to.
    pub(super) fn begin(&mut self, scene: &Scene) {
        self.scene = scene.clone();
        self.model = Model::new(scene.node(self.interfaces));
        self.program.set_node(&self.model.node).unwrap_or_else(|error| panic!("{error}"));
        for port in scene.ports() {
            let epoch = self.program.epoch(port).next_stream();
            self.set_epoch(port, epoch);
        }
        self.senders = Senders::default();
        self.begun = Instant::now();
    }

    /// A packet arrives.
    pub(super) fn packet(&mut self, packet: &Packet) -> Agreement {
        let frame = packet.frame(&self.scene);
        self.arrive(packet, &frame)
    }

    /// A packet arrives with one thing more wrong with it.
    pub(super) fn spoilt_packet(&mut self, packet: &Packet, fault: Fault) -> Agreement {
        let mut frame = packet.frame(&self.scene);
        frame.faults.push(fault);
        self.arrive(packet, &frame)
    }

    /// Something happens to a stream.
    pub(super) fn event(&mut self, event: &Event) -> Agreement {
        match event {
            Event::Media { at, packet, step, count } => {
                let packets = self.senders.number(*at, packet, *step, *count);
                packets.iter().try_for_each(|packet| self.packet(packet))
            }
            Event::Stray(packet) => self.packet(packet),
            Event::NewSource(at) => self.change_epoch(*at, Epoch::next_source),
            Event::NewStream(at) => self.change_epoch(*at, Epoch::next_stream),
            Event::NewRule(at, rule) => {
                let (port, rule) = (self.scene.port(*at), self.scene.lead(*at, *rule));
                self.program.set_rule(port, &rule);
                self.model.node.rules.insert(port, rule);
                Ok(())
            }
            Event::Mixer(is_alive) => {
                let is_alive = *is_alive && self.model.node.mixer.is_some();
                self.program.set_mixer_alive(is_alive);
                self.model.node.is_mixer_alive = is_alive;
                Ok(())
            }
        }
    }

    /// Compares the counters of all ports.
    pub(super) fn counters(&self) -> Agreement {
        for port in self.scene.ports() {
            let (counted, expected) = (self.program.counted(port), self.model.counted(port));
            prop_assert_eq!(counted, expected, "the counters of {:?} (left) are not what was sent to it (right)", port);
        }
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "every step of a trial agrees or does not")]
    fn change_epoch(&mut self, at: At, next: impl Fn(Epoch) -> Epoch) -> Agreement {
        let port = self.scene.port(at);
        self.set_epoch(port, next(self.program.epoch(port)));
        Ok(())
    }

    fn set_epoch(&mut self, port: RowIndex, epoch: Epoch) {
        self.program.set_epoch(port, epoch);
        self.model.set_epoch(port, epoch);
    }

    fn arrive(&mut self, packet: &Packet, frame: &Frame) -> Agreement {
        let bytes = frame.bytes();
        let interface = packet.interface(self.interfaces);
        let expected = self.model.arrive(&bytes, interface);
        let run = self.program.run(&bytes, interface, packet.metadata).unwrap_or_else(|error| panic!("{error}"));
        // The model knows no time: a case that takes long may close the window for learning, and says nothing.
        prop_assume!(self.begun.elapsed() < Duration::from_millis(LEARN_WINDOW_MS / 2));
        let told = || format!("  {frame:?}\n  arrived:\n{}", dump(&bytes));
        self.compare(&run, &expected).map_err(|error| TestCaseError::fail(format!("{error}\n{}", told())))?;
        match &expected.leaves {
            Some(leaving) => compare_checksums(&bytes, leaving, &run.frame)
                .map_err(|error| TestCaseError::fail(format!("{error}\n{}", told()))),
            None if expected.fate() == Fate::Passed => {
                prop_assert_eq!(run.frame, bytes, "the kernel's stack gets another frame than arrived");
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn compare(&mut self, run: &Run, expected: &Outcome) -> Agreement {
        let action = match expected.fate() {
            Fate::Sent => XDP_REDIRECT,
            Fate::Passed => XDP_PASS,
            Fate::Dropped => XDP_DROP,
        };
        prop_assert_eq!(&run.counted, &vec![(expected.reason, 1)], "counted (left) instead of expected (right)");
        prop_assert_eq!(run.action, action, "the action for {:?}", expected.reason);
        prop_assert_eq!(&run.moved, &Vec::from_iter(expected.moved), "the ports whose source is news");
        match &expected.leaves {
            Some(leaving) => self.compare_leaving(run, leaving),
            None => Ok(()),
        }
    }

    fn compare_leaving(&mut self, run: &Run, leaving: &Leaving) -> Agreement {
        prop_assert!(
            run.frame == leaving.frame,
            "what leaves:\n{}  instead of:\n{}",
            dump(&run.frame),
            dump(&leaving.frame)
        );
        match leaving.by {
            By::Device(_) => prop_assert!(run.metadata.is_empty(), "metadata is left: {:x?}", run.metadata),
            By::Shape { group, original, sequence_offset, .. } => {
                let mark = mark(&run.metadata);
                let serial = mark.map_or(self.serial, |mark| mark.serial);
                let original = original.map_or(0, |slot| 1 + u16::from(slot));
                let (magic, group) = (CopyMark::MAGIC, group.into());
                let expected = CopyMark { magic, group, serial, original, sequence_offset };
                prop_assert_eq!(mark, Some(expected), "the mark for the egress program");
                prop_assert_ne!(serial, self.serial, "two packets bear one serial");
                self.serial = serial;
            }
        }
        Ok(())
    }
}

/// Whatever was right is right, by a computation that shares nothing with the model's.
fn compare_checksums(arrived: &[u8], leaving: &Leaving, left: &[u8]) -> Agreement {
    if Checksums::of(arrived) == Some(Checksums::RIGHT) {
        let after = Checksums::of(left);
        prop_assert_eq!(
            after,
            Some(Checksums::RIGHT),
            "the checksums of what leaves by {:?}:\n{}",
            leaving.by,
            dump(left)
        );
    }
    Ok(())
}
