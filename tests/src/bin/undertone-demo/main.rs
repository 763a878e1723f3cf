//! Undertone at work, for people who see it for the first time.
//!
//! A caller and an agent talk to each other through the appliance, over IPv4 and then over IPv6, and both streams are
//! copied to two monitor ports. What arrived is held against what was sent, byte for byte, and what the monitor ports
//! heard is written as WAV files. Parties, appliance and monitor are network namespaces of this machine or, without
//! root, addresses of its loopback interface.

#![forbid(unsafe_code)]

mod arguments;
mod call;
mod crossing;
mod interrupt;
mod network;
mod recording;
mod report;
mod script;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use undertone_dataplane::{Dataplane, PathChoice};

use self::{
    arguments::Arguments,
    call::Call,
    crossing::Crossing,
    interrupt::{Interrupt, Interrupted},
    network::Network,
    report::{Counts, Row, Step, say},
    script::Scene,
};

/// What a shell expects of a program that an interrupt ended: 128 and the number of the signal.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            eprintln!("undertone-demo: {}", causes.join(": "));
            if error.is::<Interrupted>() { INTERRUPTED.into() } else { ExitCode::FAILURE }
        }
    }
}

/// Shows everything. By the time it returns, also early or by a panic, all that it built is gone.
fn run(arguments: &Arguments) -> Result<()> {
    // First of all, because threads and programs inherit what it sets.
    let interrupt = Interrupt::watch()?;
    say("Undertone relays a call's RTP and copies both of its streams to each of two monitor ports,");
    say("so that whoever listens there hears both parties, and can tell them apart.\n");
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot write WAV files to {}", arguments.out.display()))?;
    let scenes = write_scenes(arguments, &interrupt)?;
    interrupt.check()?;
    let (network, choice) = build_network(arguments)?;
    interrupt.check()?;
    let plane = open_data_plane(&network, choice)?;

    let mut crossings = Vec::new();
    for (family, scene) in network.families().into_iter().zip(&scenes) {
        interrupt.check()?;
        let call = Call::place(&network, &plane, family)?;
        crossings.extend(call.talk(scene, &interrupt)?);
        call.end()?;
    }
    conclude(arguments, &network, &plane, &crossings)
}

/// One conversation for each IP version.
fn write_scenes(arguments: &Arguments, interrupt: &Interrupt) -> Result<Vec<Scene>> {
    let step = Step::begin("speech");
    let scenes = Scene::all(arguments.seconds, interrupt)?;
    step.done(&report::speech(&scenes));
    Ok(scenes)
}

/// The network that there is privilege for, and the path that can be shown in it.
fn build_network(arguments: &Arguments) -> Result<(Network, PathChoice)> {
    let step = Step::begin("network");
    let choice = arguments.path.into();
    let (network, choice) = Network::build(choice)?;
    step.done(&network.description());
    Ok((network, choice))
}

fn open_data_plane(network: &Network, choice: PathChoice) -> Result<Dataplane> {
    let step = Step::begin("data plane");
    let plane = network.open(choice).context("the appliance's data plane does not open")?;
    step.done(&report::paths(&plane.paths(), choice));
    Ok(plane)
}

/// Tells what crossed, writes what is to be kept, and fails if anything is not as it was sent.
fn conclude(arguments: &Arguments, network: &Network, plane: &Dataplane, crossings: &[Crossing]) -> Result<()> {
    let rows: Vec<_> = crossings.iter().map(Row::of).collect();
    say(format!("\n{}\n{}\n", report::table(&rows), report::LEGEND));
    say(format!("{}\n", report::picture(network, plane, crossings)));
    say(Counts::of(plane)?);
    for (file, heard) in recording::write(&arguments.out, crossings)? {
        say(format!("{heard}: {}", file.display()));
    }
    if let Some(file) = &arguments.json {
        report::write_json(file, &rows)?;
    }
    for missing in report::not_exercised(network, &plane.paths()) {
        say(format!("\nNot exercised: {missing}"));
    }
    let problems: Vec<_> = crossings.iter().flat_map(Crossing::problems).collect();
    if !problems.is_empty() {
        bail!("not everything arrived as it was sent:\n  {}", problems.join("\n  "));
    }
    say(format!("\n{}", report::verdict(crossings)));
    Ok(())
}
