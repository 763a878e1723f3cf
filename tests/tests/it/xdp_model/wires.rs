//! The programs on real links: frames come in by one, and leave by others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use undertone_abi::{Reason, RowIndex};
use undertone_tests::Result;
use undertone_tests::lab::{End, Link, Mac, Namespace};

use super::cable::{Capture, Injector};
use super::copied::{Burst, DEVICES, LEAVING_FROM};
use super::frame::dump;
use super::model::{By, Model};
use super::program::Program;
use super::trial::Agreement;

/// How long frames take at most to cross.
const SOON: Duration = Duration::from_secs(3);

/// A node's links and what is at their far ends.
pub(super) struct Wires {
    /// Where the programs run.
    pub(super) node: Namespace,
    /// Frames come in by this one.
    pub(super) ingress: Link,
    far: Namespace,
    egress: Vec<Link>,
}

impl Wires {
    /// Makes them.
    pub(super) fn lay() -> Result<Self> {
        let (node, far) = (Namespace::create("node")?, Namespace::create("far")?);
        let link = |name: &str, number| {
            let (near, end) = (Mac::local(number, 1), Mac::local(number, 2));
            Link::connect(End::new(&node, name, near), End::new(&far, name, end))
        };
        let ingress = link("ingress", 1)?;
        let egress: Vec<_> = ["out0", "out1", "out2"]
            .into_iter()
            .zip(2..)
            .map(|(name, number)| link(name, number))
            .collect::<Result<_>>()?;
        for link in &egress {
            link.far.accept_redirects()?;
        }
        Ok(Self { node, ingress, far, egress })
    }

    fn interfaces(&self) -> Result<[u32; DEVICES]> {
        Ok([self.egress[0].near.index()?, self.egress[1].near.index()?, self.egress[2].near.index()?])
    }
}

/// The programs on the links beside the model.
pub(super) struct Crossing {
    program: Program,
    interfaces: [u32; DEVICES],
    ingress: u32,
    injector: Injector,
    captures: Vec<Capture>,
}

impl Crossing {
    /// Puts a program on the links.
    pub(super) fn new(wires: &Wires, program: Program) -> Result<Self> {
        let injector = wires.far.run(|| Injector::open("ingress"))?.expect("root may open a packet socket");
        let capture = |link: &Link| Capture::start(&link.far, u32::from_be_bytes(LEAVING_FROM));
        let captures = wires.egress.iter().map(|link| capture(link).expect("tcpdump runs")).collect();
        Ok(Self { program, interfaces: wires.interfaces()?, ingress: wires.ingress.near.index()?, injector, captures })
    }

    /// Sends a burst, and compares what arrives at the far ends and what was counted.
    pub(super) fn burst(&mut self, burst: &Burst) -> Agreement {
        let mut model = Model::new(burst.node(self.interfaces));
        self.program.set_node(&model.node).unwrap_or_else(|error| panic!("{error}"));
        for port in burst.ports() {
            self.begin(&mut model, port);
        }
        let frames: Vec<_> = burst.frames().iter().map(super::frame::Frame::bytes).collect();
        let expected = Expected::of(&mut model, &frames, self.ingress);
        for frame in &frames {
            self.injector.send(frame).expect("a packet socket sends");
        }
        self.compare(&expected)
    }

    pub(super) fn look(&mut self, burst: &Burst) {
        let mut model = Model::new(burst.node(self.interfaces));
        self.program.set_node(&model.node).unwrap_or_else(|error| panic!("{error}"));
        for port in burst.ports() {
            self.begin(&mut model, port);
        }
        let frames: Vec<_> = burst.frames().iter().map(super::frame::Frame::bytes).collect();
        let expected = Expected::of(&mut model, &frames, self.ingress);
        for frame in &frames {
            self.injector.send(frame).expect("a packet socket sends");
        }
        std::thread::sleep(Duration::from_millis(100));
        eprintln!("=== {burst:?}");
        eprintln!("counted {:?} expected {:?}", self.program.take_counted().unwrap(), expected.counted);
        let empty = Vec::new();
        for (device, capture) in self.captures.iter().enumerate() {
            let arrived = capture.take(99, Instant::now());
            let expected = expected.frames.get(&self.interfaces[device]).unwrap_or(&empty);
            let all: Vec<_> = arrived.iter().map(|f| expected.iter().position(|e| e == f)).collect();
            eprintln!(
                "device {device}: {} arrived, {} expected: arrived are expected number {all:?}",
                arrived.len(),
                expected.len()
            );
            for a in &arrived {
                if !expected.contains(a) {
                    eprintln!("{}", dump(&a[..a.len().min(64)]));
                }
            }
        }
    }

    fn begin(&self, model: &mut Model, port: RowIndex) {
        let epoch = self.program.epoch(port).next_stream();
        self.program.set_epoch(port, epoch);
        model.set_epoch(port, epoch);
    }

    fn compare(&mut self, expected: &Expected) -> Agreement {
        let deadline = Instant::now() + SOON;
        let none = Vec::new();
        for (device, capture) in self.captures.iter().enumerate() {
            let expected = expected.frames.get(&self.interfaces[device]).unwrap_or(&none);
            let arrived = capture.take(expected.len(), deadline);
            for (number, (arrived, expected)) in arrived.iter().zip(expected).enumerate() {
                prop_assert!(
                    arrived == expected,
                    "frame {} by device {}:\n{}  instead of:\n{}",
                    number,
                    device,
                    dump(arrived),
                    dump(expected)
                );
            }
            prop_assert_eq!(arrived.len(), expected.len(), "frames by device {}", device);
        }
        let counted: BTreeMap<_, _> =
            self.program.take_counted().unwrap_or_else(|error| panic!("{error}")).into_iter().collect();
        prop_assert_eq!(&counted, &expected.counted, "counted (left) instead of expected (right)");
        for capture in &self.captures {
            let more = capture.take(1, Instant::now());
            prop_assert!(more.is_empty(), "one frame more than was expected:\n{}", dump(&more[0]));
        }
        Ok(())
    }
}

/// What is to arrive at the far ends, in order, and to be counted.
#[derive(Default)]
struct Expected {
    frames: BTreeMap<u32, Vec<Vec<u8>>>,
    counted: BTreeMap<Reason, u64>,
}

impl Expected {
    fn of(model: &mut Model, frames: &[Vec<u8>], ingress: u32) -> Self {
        let mut expected = Self::default();
        for frame in frames {
            let outcome = model.arrive(frame, ingress);
            expected.count(outcome.reason);
            let Some(leaving) = outcome.leaves else { continue };
            match leaving.by {
                By::Device(slot) => expected.leave(model.node.devices[&slot], leaving.frame),
                By::Shape { original, .. } => {
                    for (number, copy) in model.copies(&leaving).into_iter().enumerate() {
                        let is_copy = original.is_none() || number > 0;
                        expected.copy(copy, is_copy);
                    }
                }
            }
        }
        expected
    }

    fn copy(&mut self, copy: std::result::Result<(u32, Vec<u8>), Reason>, is_copy: bool) {
        match copy {
            Ok((interface, frame)) => {
                if is_copy {
                    self.count(Reason::CopySent);
                }
                self.leave(interface, frame);
            }
            Err(reason) => self.count(reason),
        }
    }

    fn leave(&mut self, interface: u32, frame: Vec<u8>) {
        self.frames.entry(interface).or_default().push(frame);
    }

    fn count(&mut self, reason: Reason) {
        *self.counted.entry(reason).or_default() += 1;
    }
}
