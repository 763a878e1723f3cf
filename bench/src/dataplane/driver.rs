//! The programs that generate frames and count them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader, TestRun as _, TestRunAttrs, TestRunOptions,
    maps::{DevMap, MapData, PerCpuArray},
    programs::{SchedClassifier, TcAttachType, Xdp, XdpMode},
};

use crate::{
    dataplane::{forwarding::Load, rows::Frames, traffic},
    machine,
};

/// The object file with the programs; empty when it was not built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/undertone-xdp-bench.o"));

/// Frames that are under way at once: all that one turn of the kernel's polling takes.
const BATCH: u32 = 64;

/// How many frames there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) generated: u64,
    /// Arrived at the party that streams go to.
    pub(super) party: u64,
    /// Arrived at monitors.
    pub(super) copies: u64,
}

/// A generator and its sinks.
pub(super) struct Driver {
    ebpf: Ebpf,
    generator: &'static str,
    frame: Vec<u8>,
    links: DevMap<MapData>,
    generated: PerCpuArray<MapData, u64>,
    arrived: PerCpuArray<MapData, u64>,
}

impl Driver {
    /// Loads the generator of `load`'s frames.
    pub(super) fn load(load: &Load) -> Result<Self> {
        if OBJECT.is_empty() {
            bail!("this build holds no XDP programs; run `cargo xtask setup` and `cargo xtask ebpf`, and build again");
        }
        let mut loader = EbpfLoader::new();
        let shuffled = u32::from(load.shuffled);
        loader.override_global("STREAMS_LOG2", &load.streams_log2, true).override_global("SHUFFLED", &shuffled, true);
        let mut ebpf = loader.load(OBJECT).context("cannot load the generator")?;
        let (generator, frame_length) = match load.frames {
            Frames::V4 => ("generate", 14 + 20),
            Frames::Vlan => ("generate_vlan", 18 + 20),
            Frames::V6 => ("generate_v6", 14 + 40),
        };
        program(&mut ebpf, generator)?.load()?;
        let take = |ebpf: &mut Ebpf, name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        Ok(Self {
            generator,
            frame: vec![0x55; frame_length + 8 + 12 + traffic::PAYLOAD],
            links: take(&mut ebpf, "LINKS")?.try_into()?,
            generated: take(&mut ebpf, "GENERATED")?.try_into()?,
            arrived: take(&mut ebpf, "ARRIVED")?.try_into()?,
            ebpf,
        })
    }

    /// Has frames generated into the interface `to_relay`.
    pub(super) fn connect(&mut self, to_relay: u32) -> Result<()> {
        self.links.set(0, to_relay, None, 0).context("cannot generate into an interface")
    }

    /// Has every frame that arrives at `on` redirected to the interface `to_party` by `program`.
    pub(super) fn redirect(&mut self, program: &str, on: &str, to_party: u32) -> Result<()> {
        self.links.set(1, to_party, None, 0).context("cannot redirect to an interface")?;
        self.attach(program, on, XdpMode::Driver)
    }

    /// Attaches one of the programs.
    pub(super) fn attach(&mut self, name: &str, on: &str, mode: XdpMode) -> Result<()> {
        let program = program(&mut self.ebpf, name)?;
        if program.fd().is_err() {
            program.load()?;
        }
        program.attach(on, mode).with_context(|| format!("cannot attach `{name}` to {on}"))?;
        Ok(())
    }

    /// Has what sockets send to the interface `on` counted and dropped.
    pub(super) fn count_sent(&mut self, on: &str) -> Result<()> {
        let program = self.ebpf.program_mut("sink_sent").context("no program sink_sent")?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        program.attach(on, TcAttachType::Ingress).with_context(|| format!("cannot attach `sink_sent` to {on}"))?;
        Ok(())
    }

    /// Generates `packets`, and says how much of the core's time it took until the last one was dealt with.
    ///
    /// The kernel does all of it in this thread. Around it, it waits for other cores to take note of the program: time
    /// that passes, but is not spent.
    pub(super) fn generate(&self, packets: u32) -> Result<Duration> {
        let program: &Xdp = self.ebpf.program(self.generator).context("no generator")?.try_into()?;
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: packets,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::new()
        };
        let start = machine::thread_time()?;
        program.test_run(options).context("the generator was interrupted")?;
        Ok(machine::thread_time()?.saturating_sub(start))
    }

    /// What was counted so far.
    pub(super) fn counts(&self) -> Result<Counts> {
        let sum = |map: &PerCpuArray<MapData, u64>, index: u32| -> Result<u64> {
            Ok(map.get(&index, 0).context("cannot read a counter")?.iter().sum())
        };
        Ok(Counts {
            generated: sum(&self.generated, 0)?,
            party: sum(&self.arrived, 0)?,
            copies: sum(&self.arrived, 1)?,
        })
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf.program_mut(name).with_context(|| format!("no program {name}"))?.try_into()?)
}
