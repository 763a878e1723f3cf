//! Undertone at work, for people who see it for the first time.
//!
//! A caller's telephone calls an agent's through the appliance, over SIP, and they talk: over IPv4 and then over IPv6.
//! Both streams are copied to two monitor ports. What the telephones and the monitor ports heard is held against what was
//! said, and what the monitor ports heard is written as WAV files. Parties, appliance and monitor are network namespaces
//! of this machine or, without root, addresses of its loopback interface.

#![forbid(unsafe_code)]

mod appliance;
mod arguments;
mod call;
mod configuration;
mod crossing;
mod interrupt;
mod network;
mod recording;
mod report;
mod script;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;

use self::{
    appliance::Appliance,
    arguments::{Arguments, Path},
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
    say(
        "Undertone routes a call between a carrier and a PBX, relays its RTP, and copies both of its streams to each of",
    );
    say("two monitor ports, so that whoever listens there hears both parties, and can tell them apart.\n");
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot write WAV files to {}", arguments.out.display()))?;
    let scenes = write_scenes(arguments, &interrupt)?;
    interrupt.check()?;
    let (network, path) = build_network(arguments)?;
    interrupt.check()?;
    let appliance = start_appliance(&network, path)?;

    let mut crossings = Vec::new();
    for (family, scene) in network.families().iter().zip(&scenes) {
        interrupt.check()?;
        let call = Call::place(&network, &appliance, *family, scene)?;
        call.talk(&interrupt)?;
        crossings.extend(call.end()?);
    }
    conclude(arguments, &network, &appliance, &crossings)
}

/// One conversation for each IP version.
fn write_scenes(arguments: &Arguments, interrupt: &Interrupt) -> Result<Vec<Scene>> {
    let step = Step::begin("speech");
    let scenes = Scene::all(arguments.seconds, interrupt)?;
    step.done(&report::speech(&scenes));
    Ok(scenes)
}

/// The network that there is privilege for, and the path that can be shown in it.
fn build_network(arguments: &Arguments) -> Result<(Network, Path)> {
    let step = Step::begin("network");
    let (network, path) = Network::build(arguments.path)?;
    step.done(&network.description());
    Ok((network, path))
}

fn start_appliance(network: &Network, path: Path) -> Result<Appliance> {
    say(format!("{:12}a carrier and a PBX are its peers, and one route leads from the one to the other:", "appliance"));
    let appliance = Appliance::start(network, path)?;
    let step = Step::begin("data plane");
    step.done(&report::paths(&appliance.status()?, path));
    Ok(appliance)
}

/// Tells what crossed, writes what is to be kept, and fails if anything is not as it was said.
fn conclude(arguments: &Arguments, network: &Network, appliance: &Appliance, crossings: &[Crossing]) -> Result<()> {
    say("");
    appliance.show_records()?;
    let rows: Vec<_> = crossings.iter().map(Row::of).collect();
    say(format!("\n{}\n{}\n", report::table(&rows), report::LEGEND));
    say(format!("{}\n", report::picture(network, crossings)));
    say(Counts::of(&appliance.status()?));
    for (file, heard) in recording::write(&arguments.out, crossings)? {
        say(format!("{heard}: {}", file.display()));
    }
    if let Some(file) = &arguments.json {
        report::write_json(file, &rows)?;
    }
    for missing in report::not_exercised(network, crossings) {
        say(format!("\nNot exercised: {missing}"));
    }
    let problems: Vec<_> = crossings.iter().flat_map(Crossing::problems).collect();
    if !problems.is_empty() {
        bail!("not everything arrived as it was said:\n  {}", problems.join("\n  "));
    }
    say(format!("\n{}", report::verdict(crossings)));
    Ok(())
}
