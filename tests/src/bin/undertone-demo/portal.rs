//! `--portal`: a call that goes on, and the supervisors' page to see it on.

use std::{fs, io::Read as _, net::SocketAddr, thread, time::Duration};

use anyhow::{Context as _, Result};
use undertone_core::mixer::Person;
use undertone_tests::speech::SAMPLE_RATE;

use super::{
    appliance::{self, Appliance},
    arguments::Path,
    configuration::Cast,
    interrupt::Interrupt,
    network::Network,
    report::{self, Step, say},
    script::{PEOPLE, Scene},
    story,
};

/// The port of the page.
const PORT: u16 = 8443;
/// How long a call is before the telephones hang up, and call again.
const CALL: usize = 20 * 60 * SAMPLE_RATE as usize;
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_secs(1);

/// Those who sign in, and what there is for them.
const USERS: [(&str, &str); 4] = [
    ("ann", "looks after Sam's queue: listen, whisper and join with her own telephone"),
    ("ada", "is the administrator: sees everything, and the audit"),
    ("audrey", "is the auditor: reads the audit, and nothing else"),
    ("sam", "is the agent: sees his own calls"),
];

/// Shows it until somebody interrupts.
pub(crate) fn show(interrupt: &Interrupt) -> Result<()> {
    let step = Step::begin("speech");
    let scene = Scene::speak(interrupt)?;
    step.done(&report::speech(&scene));
    interrupt.check()?;
    let step = Step::begin("network");
    let network = Network::loopback()?;
    step.done(&network.description());
    let password = password()?;
    let at = SocketAddr::new(network.facing(Person::Supervisor), PORT);
    let appliance = Appliance::start(&network, Path::IoUring, &cast(at, &appliance::hash(&password)?))?;
    let mut phones = PEOPLE.map(|person| story::telephone(&network, &appliance, person, &track(&scene, person)));
    let [Ok(caller), Ok(agent), Ok(_)] = &mut phones else {
        return phones.into_iter().collect::<Result<Vec<_>>>().map(drop);
    };
    let uri = story::uri(&network, Person::Caller, "100");
    caller.call(&uri)?;
    agent.established().context("the agent's telephone is not connected")?;
    appliance.wait_for_call()?;
    tell(at, &password);
    while !interrupt.is_raised() {
        if !appliance.has_calls()? {
            caller.call(&uri)?;
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

fn tell(at: SocketAddr, password: &str) {
    say(format!(
        "\nThe portal is at https://{at}, on this machine: a browser asks whether to believe its certificate."
    ));
    say(format!("From another machine: ssh -L {PORT}:{at} HOST, then https://localhost:{PORT}"));
    say(format!("\nThe caller and Sam are talking. Sign in with the password {password} as"));
    for (user, what) in USERS {
        say(format!("  {user:8}who {what}"));
    }
    say("\nAnn's telephone answers by itself, and says its part in every mode.");
    say("Ctrl-C takes everything down.");
}

/// Who there is, and the page.
fn cast(at: SocketAddr, password: &str) -> Cast {
    let user = |name: &str, display_name: &str, extension: &str, role: &str| {
        format!(
            "\n[[user]]\nname = \"{name}\"\ndisplay-name = \"{display_name}\"\nextensions = [\"{extension}\"]\nrole = \"{role}\"\n{password}\n"
        )
    };
    let users = [
        user("sam", "Sam", "100", "user"),
        user("ann", "Ann", "200", "call-center-supervisor"),
        user("ada", "Ada", "300", "administrator"),
        user("audrey", "Audrey", "301", "auditor"),
    ];
    let rules = r#"
[[queue]]
name = "ferries"
agents = ["sam"]
supervisors = ["ann"]

[[monitoring.rule]]
who = { roles = ["call-center-supervisor"] }
whom = { their-queues = true }
"#;
    Cast {
        routes: "\n[[route]]\nfrom = [\"carrier\"]\nprefix = \"200\"\nto = \"desk\"\n".into(),
        people: format!("{}{rules}\n[portal]\nlisten = \"{at}\"\n", users.concat()),
    }
}

/// What a person says, over and over.
fn track(scene: &Scene, person: Person) -> Vec<i16> {
    let once = scene.track(person);
    once.iter().copied().cycle().take(if once.is_empty() { 0 } else { CALL }).collect()
}

/// A password that nobody knows beforehand.
fn password() -> Result<String> {
    let mut random = [0; 8];
    let mut source = fs::File::open("/dev/urandom").context("no randomness")?;
    source.read_exact(&mut random).context("no randomness")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
