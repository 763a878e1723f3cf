//! The call as it happens: three telephones, and what the supervisor does with one of them.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use undertone_core::mixer::Person;
use undertone_tests::{
    phone::{Codec, Line, Phone},
    rtp::{Seen, Tap},
    speech::SAMPLE_RATE,
};

use super::{
    appliance::{Appliance, Measured},
    configuration::{SIP_PORT, number},
    interrupt::{Interrupt, heeding},
    network::Network,
    report::{Progress, say},
    script::{Deed, FRAME, PEOPLE, Scene, index, name, seconds},
};

/// What is behind the last word: longer than anything takes, for a telephone whose file has ended hangs up.
const BEHIND: usize = 60 * SAMPLE_RATE as usize;

/// PCMU's payload type (RFC 3551).
const PCMU: u8 = 0;

/// What a telephone hears lies in its jitter buffer for a while.
const BUFFERED: Duration = Duration::from_millis(300);

/// A call that is up.
pub(crate) struct Story<'a> {
    network: &'a Network,
    appliance: &'a Appliance,
    scene: &'a Scene,
    /// As in [`PEOPLE`].
    phones: [Phone; 3],
    /// At the caller's and at the agent's interface, where there is the privilege to look.
    taps: Option<[Tap; 2]>,
    call: String,
    /// When each telephone was connected, as in [`PEOPLE`].
    connected: [Option<Instant>; 3],
    moments: Vec<Moment>,
}

/// When an act began: since the epoch.
pub(crate) struct Moment {
    /// When the supervisor's finger moved.
    pub(crate) began: Duration,
    /// When the telephone had done as it was told.
    pub(crate) done: Duration,
}

/// What became of it.
pub(crate) struct Told {
    /// When each act began.
    pub(crate) moments: Vec<Moment>,
    /// What each telephone has recorded, as in [`PEOPLE`].
    pub(crate) recordings: [Vec<i16>; 3],
    /// The sample of the call at which each telephone was connected, by the clock.
    pub(crate) connected: [isize; 3],
    /// What passed the caller's and the agent's interface.
    pub(crate) seen: Option<[Vec<Seen>; 2]>,
    /// How the caller's and the agent's stream arrived at the appliance, by the call's record.
    pub(crate) measured: [Measured; 2],
    /// What is wrong with that record.
    pub(crate) wrong: Vec<String>,
}

impl Told {
    /// What a person heard, with silence before their telephone was connected: all three begin at the same time.
    pub(crate) fn heard(&self, person: Person) -> Vec<i16> {
        let late = usize::try_from(self.connected[index(person)]).unwrap_or(0);
        [&vec![0; late][..], &self.recordings[index(person)]].concat()
    }
}

impl<'a> Story<'a> {
    /// Lets the caller's telephone call the agent's, which answers.
    pub(crate) fn begin(network: &'a Network, appliance: &'a Appliance, scene: &'a Scene) -> Result<Self> {
        let phone = |person| telephone(network, appliance, person, &[scene.track(person), vec![0; BEHIND]].concat());
        let phones = [phone(PEOPLE[0])?, phone(PEOPLE[1])?, phone(PEOPLE[2])?];
        let tap = |party| network.namespace(party).map(|namespace| Tap::on(Some(namespace))).transpose();
        let taps = tap(Person::Caller)?.zip(tap(Person::Agent)?).map(<[Tap; 2]>::from);
        let connected = [None; 3];
        let mut story =
            Self { network, appliance, scene, phones, taps, call: String::new(), connected, moments: Vec::new() };
        let uri = uri(network, Person::Caller, number(Person::Agent));
        say(format!("\n{:12}the caller's telephone calls {uri}", "call"));
        story.phone(Person::Caller).call(&uri)?;
        for party in [Person::Agent, Person::Caller] {
            story.connect(party)?;
        }
        story.call = appliance.wait_for_call()?;
        Ok(story)
    }

    /// Lets everybody say what they have to say and the supervisor do what there is to do, and tells it.
    pub(crate) fn tell(&mut self, interrupt: &Interrupt) -> Result<()> {
        let scene = self.scene;
        let progress = Progress::of(scene);
        let mut acts = scene.acts.iter().enumerate().peekable();
        for frame in 0..scene.frames() {
            while let Some((act, _)) = acts.next_if(|(_, act)| act.begin <= frame * FRAME) {
                self.wait_until(scene.acts[act].begin, interrupt)?;
                progress.act(act);
                self.perform(scene.acts[act].deed)?;
            }
            self.wait_until(frame * FRAME, interrupt)?;
            progress.frame(frame);
        }
        drop(progress);
        let length = Duration::from_secs_f64(seconds(scene.length)) + BUFFERED;
        for party in [Person::Caller, Person::Agent] {
            self.phone(party).wait_for_recording(length)?;
        }
        self.appliance.show(&["calls"])
    }

    /// Lets the caller hang up, and gives what became of it all.
    pub(crate) fn end(mut self) -> Result<Told> {
        let connected = PEOPLE.map(|person| self.sample_of(self.connected[index(person)]));
        self.phone(Person::Caller).hang_up()?;
        let [caller, agent, supervisor] = &mut self.phones;
        let recordings = [caller.heard()?, agent.heard()?, supervisor.heard()?];
        let (measured, wrong) = self.appliance.record(&self.call)?;
        // Everything else is none of the voice's packets.
        let voice = |tap: Tap| tap.seen().into_iter().filter(|it| it.packet.payload_type == PCMU).collect();
        let seen = self.taps.map(|taps| taps.map(voice));
        Ok(Told { moments: self.moments, recordings, connected, seen, measured, wrong })
    }

    fn perform(&mut self, deed: Deed) -> Result<()> {
        let began = now();
        match deed {
            Deed::Talk => {}
            Deed::Dial(number) => {
                self.phone(Person::Supervisor).call(&uri(self.network, Person::Supervisor, number))?;
                self.connect(Person::Supervisor)?;
            }
            Deed::Press(keys) => self.phone(Person::Supervisor).press(keys)?,
            Deed::HangUp => self.phone(Person::Supervisor).hang_up()?,
        }
        self.moments.push(Moment { began, done: now() });
        Ok(())
    }

    /// Waits for a sample of the call. The supervisor's telephone says what it says from when it was connected on: while
    /// it is, that is the clock.
    fn wait_until(&self, sample: usize, interrupt: &Interrupt) -> Result<()> {
        interrupt.check()?;
        let clock = |person| Some((self.connected[index(person)]?, self.scene.start(person)));
        if let Some((since, start)) = clock(Person::Supervisor).or_else(|| clock(Person::Caller)) {
            let at = since + Duration::from_secs_f64(seconds(sample.saturating_sub(start)));
            thread::sleep(at.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    fn connect(&mut self, person: Person) -> Result<()> {
        let index = index(person);
        self.phones[index]
            .established()
            .with_context(|| format!("the {}'s telephone is not connected", name(person)))?;
        self.connected[index] = Some(Instant::now());
        Ok(())
    }

    /// The sample of the call at some time; the caller's telephone begins it.
    fn sample_of(&self, at: Option<Instant>) -> isize {
        let began = self.connected[index(Person::Caller)];
        let since = at.zip(began).map_or(0.0, |(at, began)| {
            at.saturating_duration_since(began).as_secs_f64() - began.saturating_duration_since(at).as_secs_f64()
        });
        (since * f64::from(SAMPLE_RATE)) as isize
    }

    const fn phone(&self, person: Person) -> &Phone {
        &self.phones[index(person)]
    }
}

/// A person's telephone, which says `speech` from when it is connected on.
pub(crate) fn telephone(network: &Network, appliance: &Appliance, person: Person, speech: &[i16]) -> Result<Phone> {
    let line = Line {
        name: name(person).to_owned(),
        number: number(person).to_owned(),
        at: (network.address(person), SIP_PORT).into(),
        transport: "udp".to_owned(),
        namespace: network.namespace(person).cloned(),
        codec: Codec::Pcmu,
        folder: appliance.folder().join(name(person)),
        more: String::new(),
    };
    Ok(heeding(|| line.start(speech))??.quiet())
}

/// A number, as a person's telephone asks the appliance for it.
pub(crate) fn uri(network: &Network, person: Person, number: &str) -> String {
    format!("sip:{number}@{}", SocketAddr::new(network.facing(person), SIP_PORT))
}

/// Since the epoch, as the kernel dates packets.
fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}
