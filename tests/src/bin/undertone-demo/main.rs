//! Undertone at work, for people who see it for the first time.
//!
//! A carrier's telephone calls an agent's through the appliance. A supervisor dials 007 and the agent's extension on a
//! third one, listens, whispers to the agent, joins, whispers to the caller, listens again, and hangs up. Everybody speaks
//! in every mode; what each telephone recorded is held against what was said, and that against the table of who hears
//! whom. Each person's recording and a report go to files. The telephones and the appliance are in network namespaces of
//! this machine or, without root, at addresses of its loopback interface.

#![forbid(unsafe_code)]

mod appliance;
mod arguments;
mod configuration;
mod findings;
mod hearing;
mod interrupt;
mod network;
mod portal;
mod report;
mod script;
mod story;

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use undertone_core::mixer::Person;
use undertone_tests::speech::write_wav;

use self::{
    appliance::Appliance,
    arguments::{Arguments, Path},
    configuration::Cast,
    findings::Findings,
    interrupt::{Interrupt, Interrupted},
    network::Network,
    report::{Counts, Histogram, Page, RECEIVED_LEGEND, Step, say},
    script::{PEOPLE, Scene, name},
    story::{Story, Told},
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
    if arguments.portal {
        return portal::show(&interrupt);
    }
    say(
        "Undertone routes a call between a carrier and an agent, and lets a supervisor listen to it from any telephone,",
    );
    say("whisper to one party, and join. Nobody hears them but whom they speak with.\n");
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot write files to {}", arguments.out.display()))?;
    let step = Step::begin("speech");
    let scene = Scene::speak(&interrupt)?;
    step.done(&report::speech(&scene));
    interrupt.check()?;
    let step = Step::begin("network");
    let (network, path) = Network::build(arguments.path)?;
    step.done(&network.description());
    interrupt.check()?;
    let appliance = start_appliance(&network, path)?;

    let mut story = Story::begin(&network, &appliance, &scene)?;
    story.tell(&interrupt)?;
    let told = story.end()?;
    say("");
    let step = Step::begin("listening");
    let findings = Findings::of(&scene, &told, PEOPLE.map(|person| network.address(person)));
    step.done("to what each telephone recorded\n");
    conclude(arguments, &network, &appliance, &scene, &told, &findings)
}

fn start_appliance(network: &Network, path: Path) -> Result<Appliance> {
    say(format!(
        "{:12}it knows a carrier, a PBX with Sam, the agent, and the desk of Ann, who may monitor Sam:",
        "appliance"
    ));
    let appliance = Appliance::start(network, path, &Cast::default())?;
    let step = Step::begin("data plane");
    step.done(&report::paths(&appliance.status()?, path));
    Ok(appliance)
}

/// Tells what was found, writes what is to be kept, and fails if anything is not as it should be.
fn conclude(
    arguments: &Arguments,
    network: &Network,
    appliance: &Appliance,
    scene: &Scene,
    told: &Told,
    findings: &Findings,
) -> Result<()> {
    appliance.show_records()?;
    let parties = [Person::Caller, Person::Agent].into_iter().zip(&told.measured);
    let streams = parties.map(|(party, it)| Ok((party, appliance.path(network.interface(party))?, it)));
    let streams: Vec<_> = streams.collect::<Result<_>>()?;
    let histograms = findings.latencies.as_ref().map(Histogram::all);
    let problems = findings.problems(scene, told);

    say(format!("\nWho heard whom\n{}", report::hearing(scene, findings)));
    say(format!("\nWhat the parties received of each other\n{}", report::received(scene, findings)));
    say(RECEIVED_LEGEND);
    say(format!("\nHow the parties' streams arrived at the appliance\n{}", report::streams(&streams)));
    say(Counts::of(&appliance.status()?));
    if let Some(histograms) = &histograms {
        say("\nHow long packets took from one party's interface to the other's, by the kernel's clock");
        for histogram in histograms {
            say(histogram.text());
        }
    }
    say("");
    for person in PEOPLE {
        let file = arguments.out.join(format!("{}.wav", name(person)));
        write_wav(&file, &told.heard(person))?;
        say(format!("What the {} heard: {}", name(person), file.display()));
    }
    let paths: Vec<_> = streams.iter().map(|(_, path, _)| path.clone()).collect();
    let page = Page { scene, told, findings, streams: &streams, histograms: histograms.as_ref(), problems: &problems };
    say(format!("The report: {}", page.write(&arguments.out)?.display()));
    if let Some(file) = &arguments.json {
        report::write_json(file, scene, findings, &streams, histograms.as_ref())?;
    }
    if let Some(missing) = report::not_exercised(network, &paths) {
        say(format!("\nNot exercised: {missing}"));
    }
    if !problems.is_empty() {
        bail!("not everything is as it should be:\n  {}", problems.join("\n  "));
    }
    say(format!("\n{}", report::verdict(findings)));
    Ok(())
}
