//! The programs on real links: frames come in by one, and leave by others.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use aya::programs::xdp::XdpMode;
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions};
use proptest::prelude::*;
use undertone_abi::limits::SHAPE_ENTRIES;
use undertone_abi::{Fate, Reason};
use undertone_tests::Result;
use undertone_tests::lab::{End, Interface, Link, Mac, Namespace};

use super::cable::{Capture, Injector};
use super::copied::{Burst, DEVICES, LEAVING_FROM};
use super::frame::{Frame, dump};
use super::model::{By, Model};
use super::program::{Program, context};
use super::trial::Agreement;

/// How long frames take at most to cross.
const SOON: Duration = Duration::from_secs(5);

/// How many frames may wait at the far end of a veth: `VETH_RING_SIZE` of the kernel's driver.
const WAITING_MAX: usize = 256;

/// A node's links and what is at their far ends.
pub(super) struct Wires {
    /// Where the programs run.
    pub(super) node: Namespace,
    /// Frames come in by this one.
    ingress: Link,
    /// And leave by these.
    egress: Vec<Link>,
}

impl Wires {
    /// Lays them out.
    pub(super) fn lay() -> Result<Self> {
        let (node, far) = (Namespace::create("node")?, Namespace::create("far")?);
        let link = |name: &str, number| {
            let (near, end) = (Mac::local(number, 1), Mac::local(number, 2));
            Link::connect(End::new(&node, name, near), End::new(&far, name, end))
        };
        let ingress = link("in0", 0)?;
        let egress: Vec<_> =
            (1..).zip(["out0", "out1", "out2"]).map(|(number, name)| link(name, number)).collect::<Result<_>>()?;
        for link in &egress {
            link.far.accept_redirects()?;
        }
        Ok(Self { node, ingress, egress })
    }
}

/// How frames get to the program.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    /// Over a link, each taken off before the next one comes.
    OneByOne(XdpMode),
    /// From the kernel's own hand, each many times over.
    Repeated(u32),
}

/// The programs on the links, beside the model.
pub(super) struct Crossing {
    program: Program,
    devices: [u32; DEVICES],
    ingress: u32,
    captures: Vec<Capture>,
    source: Source,
}

/// Where frames come from.
enum Source {
    Link(Injector),
    Kernel(u32),
}

impl Crossing {
    /// Puts the programs on the links. To be called in the node's namespace.
    pub(super) fn new(wires: &Wires, feed: Feed) -> Result<Self> {
        let mut program = Program::load().unwrap_or_else(|error| panic!("{error}"));
        let Link { near, far } = &wires.ingress;
        let source = match feed {
            Feed::OneByOne(mode) => {
                program.attach(near.name(), mode);
                Source::Link(Injector::start(far)?)
            }
            Feed::Repeated(times) => Source::Kernel(times),
        };
        let devices: Result<Vec<_>> = wires.egress.iter().map(|link| link.near.index()).collect();
        let capture = |interface: &Interface| Capture::start(interface, LEAVING_FROM).expect("tcpdump runs");
        Ok(Self {
            program,
            devices: devices?.try_into().expect("as many devices as there are"),
            ingress: near.index()?,
            captures: wires.egress.iter().map(|link| capture(&link.far)).collect(),
            source,
        })
    }

    /// Sends a burst, and compares what arrives at the far ends and what was counted.
    pub(super) fn burst(&mut self, burst: &Burst) -> Agreement {
        let mut model = Model::new(burst.node(self.devices));
        self.program.set_node(&model.node).unwrap_or_else(|error| panic!("{error}"));
        for port in burst.ports() {
            let epoch = self.program.epoch(port).next_stream();
            self.program.set_epoch(port, epoch);
            model.set_epoch(port, epoch);
        }
        self.program.take_counted().unwrap_or_else(|error| panic!("{error}"));
        let mut frames: Vec<_> = burst.frames().iter().map(Frame::bytes).collect();
        let expected = self.expect(&mut model, &mut frames);
        self.send(frames);
        let agreement = self.compare(&expected);
        if agreement.is_err() {
            self.settle();
        }
        agreement
    }

    /// What is to come of the frames, without those at the end of which too much would come at a time.
    fn expect(&self, model: &mut Model, frames: &mut Vec<Vec<u8>>) -> Expected {
        let times = if let Source::Kernel(times) = self.source { times } else { 1 };
        let mut expected = Expected::default();
        frames.retain(|frame| {
            let has_room = expected.waiting_max() + times as usize * SHAPE_ENTRIES as usize <= WAITING_MAX;
            if has_room {
                (0..times).for_each(|_| expected.arrive(model, frame, self.ingress));
            }
            has_room
        });
        expected
    }

    fn send(&mut self, frames: Vec<Vec<u8>>) {
        match &self.source {
            Source::Link(injector) => injector.send(frames),
            Source::Kernel(times) => {
                let relay = self.program.kernel.relay().unwrap_or_else(|error| panic!("{error}"));
                for frame in &frames {
                    let options = TestRunOptions {
                        data_in: Some(frame),
                        ctx_in: Some(&context(0, frame.len() as u32, self.ingress)),
                        repeat: *times,
                        // In one batch, because a frame that is used again is not made anew.
                        attrs: TestRunAttrs::new().xdp_live_frames(*times),
                        ..TestRunOptions::new()
                    };
                    relay.test_run(options).expect("the kernel runs the program on live frames");
                }
            }
        }
    }

    fn compare(&mut self, expected: &Expected) -> Agreement {
        let deadline = Instant::now() + SOON;
        for (device, capture) in self.captures.iter().enumerate() {
            let expected = expected.frames.get(&self.devices[device]).map_or(&[][..], Vec::as_slice);
            compare_frames(device, &capture.take(expected.len(), deadline), expected)?;
        }
        let counted = self.counted(expected.counted.values().sum(), deadline);
        prop_assert_eq!(counted, expected.counted.clone(), "counted (left) instead of expected (right)");
        for (device, capture) in self.captures.iter().enumerate() {
            compare_frames(device, &capture.take(1, Instant::now()), &[])?;
        }
        Ok(())
    }

    /// The counters of packets that were ours to judge, when there are so many or at `deadline`: what is dropped leaves
    /// no other trace. Systems at the far ends may speak unasked.
    fn counted(&mut self, count: u64, deadline: Instant) -> BTreeMap<Reason, u64> {
        let mut all = BTreeMap::new();
        loop {
            let counted = self.program.take_counted().unwrap_or_else(|error| panic!("{error}"));
            for (reason, count) in counted.into_iter().filter(|(reason, _)| reason.fate() != Fate::Passed) {
                *all.entry(reason).or_default() += count;
            }
            if all.values().sum::<u64>() >= count || Instant::now() > deadline {
                return all;
            }
            thread::yield_now();
        }
    }

    /// Lets everything arrive that is still under way, so that another burst is not taken for it.
    fn settle(&self) {
        let quiet = Duration::from_millis(200);
        while self.captures.iter().any(|capture| !capture.take(1, Instant::now() + quiet).is_empty()) {}
    }
}

fn compare_frames(device: usize, arrived: &[Vec<u8>], expected: &[Vec<u8>]) -> Agreement {
    for (number, (arrived, expected)) in arrived.iter().zip(expected).enumerate() {
        let (got, wanted) = (dump(arrived), dump(expected));
        prop_assert!(arrived == expected, "frame {number} by device {device}:\n{got}  instead of:\n{wanted}");
    }
    prop_assert_eq!(arrived.len(), expected.len(), "frames by device {}", device);
    Ok(())
}

/// What is to arrive at the far ends, in order, and to be counted.
#[derive(Default)]
struct Expected {
    frames: BTreeMap<u32, Vec<Vec<u8>>>,
    counted: BTreeMap<Reason, u64>,
}

impl Expected {
    fn arrive(&mut self, model: &mut Model, frame: &[u8], ingress: u32) {
        let outcome = model.arrive(frame, ingress);
        self.count(outcome.reason);
        let Some(leaving) = outcome.leaves else { return };
        match leaving.by {
            By::Device(slot) => self.leave(model.node.devices[&slot], leaving.frame),
            By::Shape { original, .. } => {
                if let Some(slot) = original {
                    self.leave(model.node.devices[&slot], leaving.frame.clone());
                }
                for copy in model.copies(&leaving) {
                    match copy {
                        Ok((interface, frame)) => {
                            self.count(Reason::CopySent);
                            self.leave(interface, frame);
                        }
                        Err(reason) => self.count(reason),
                    }
                }
            }
        }
    }

    /// The most frames that leave through one device.
    fn waiting_max(&self) -> usize {
        self.frames.values().map(Vec::len).max().unwrap_or(0)
    }

    fn leave(&mut self, interface: u32, frame: Vec<u8>) {
        self.frames.entry(interface).or_default().push(frame);
    }

    fn count(&mut self, reason: Reason) {
        *self.counted.entry(reason).or_default() += 1;
    }
}
