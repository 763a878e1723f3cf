//! Many calls at once over a bad network, from seeds: whatever happens, each call has one final answer and one record,
//! and in the end nothing is left of any. So it is, too, when the element dies in the middle, and another one goes on from
//! what was written down of its calls.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::*;
use crate::call::Role;
use crate::sip::{
    message::Method,
    transaction::{Arrived, ClientId, Clients, Heard, PATIENCE, Sending, ServerId, Servers, T1, T2},
};

const SEEDS: u64 = 60;
const CALLS: usize = 8;

/// Of a thousand packets.
const LOST: u64 = 150;
const TWICE: u64 = 100;
const DELAY_MS_MAX: u64 = 400;

/// What was to be written down so shortly before the end may not have been: longer than the daemon's storage waits, so that
/// it happens often.
const UNWRITTEN_MS_MAX: u64 = 200;

/// A phone behind each peer: it calls, and answers as its dice say.
pub(super) struct Phone {
    pub(super) at: &'static str,
    clients: Clients<()>,
    servers: Servers<()>,
    dialogs: HashMap<String, Dialog>,
    /// The final answers that its calls got.
    finals: BTreeMap<String, BTreeSet<u16>>,
    /// The calls that it was told are over.
    pub(super) told: BTreeSet<String>,
    dice: ChaCha8Rng,
    /// Whether it does more within calls than to end them.
    pub(super) is_lively: bool,
}

/// One end of a call.
struct Dialog {
    /// The caller's INVITE, or the one that was answered.
    invite: Request,
    is_caller: bool,
    client: Option<ClientId>,
    server: Option<ServerId>,
    /// What it said in its final answer, until that is acknowledged.
    answer: Option<(Vec<u8>, Nanos, Duration)>,
    peer: Option<Response>,
    /// What it does next, unless the call is over before.
    next: Option<(Nanos, Deed)>,
    gives_up: Nanos,
    finals: BTreeSet<u16>,
    /// The number of its last request.
    cseq: u32,
}

impl Dialog {
    fn new(invite: Request, is_caller: bool, next: Option<(Nanos, Deed)>, now: Nanos) -> Self {
        Self {
            invite,
            is_caller,
            client: None,
            server: None,
            answer: None,
            peer: None,
            next,
            gives_up: now + Duration::from_secs(250),
            finals: BTreeSet::new(),
            cseq: 1,
        }
    }

    /// A request within it, from `at`; `None` for a caller that nobody has answered.
    fn within(&self, method: &'static str, at: &'static str) -> Option<Draft> {
        let text = |value: Option<std::borrow::Cow<'_, [u8]>>| {
            String::from_utf8_lossy(&value.unwrap_or_default()).into_owned()
        };
        let (from, to, target, mut routes) = if self.is_caller {
            let peer = self.peer.as_ref()?;
            let routes = peer.record_routes().into_iter().rev().collect::<Vec<_>>();
            (text(self.invite.header("From")), text(peer.header("To")), peer.target(), routes)
        } else {
            let ours = format!("{};tag=callee", text(self.invite.header("To")));
            (ours, text(self.invite.header("From")), self.invite.target(), self.invite.record_routes())
        };
        let draft = Draft {
            method,
            uri: String::from_utf8_lossy(&target.unwrap_or_default()).into_owned(),
            from,
            to,
            at,
            call: leak(&String::from_utf8_lossy(&self.invite.call_id)),
            branch: String::new(),
            cseq: self.cseq,
            headers: Vec::new(),
            body: String::new(),
        };
        let routes: Vec<_> = routes.drain(..).map(|uri| format!("<{}>", String::from_utf8_lossy(&uri))).collect();
        Some(if routes.is_empty() { draft } else { draft.with(format!("Route: {}", routes.join(", "))) })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Cancel,
    Ring,
    Answer(u16),
    HangUp,
    /// Ask for media elsewhere, or press a key.
    Update,
    Press,
}

pub(super) struct World {
    pub(super) bench: Bench,
    pub(super) phones: [Phone; 3],
    pub(super) dice: ChaCha8Rng,
    wire: BinaryHeap<Reverse<Packet>>,
    sent: u64,
}

/// When it arrives, its number, from where, to where, and what.
type Packet = (Nanos, u64, SocketAddr, SocketAddr, Vec<u8>);

pub(super) fn below(dice: &mut ChaCha8Rng, bound: u64) -> u64 {
    dice.next_u64() % bound
}

impl Phone {
    fn new(at: &'static str, seed: u64) -> Self {
        let dice = ChaCha8Rng::seed_from_u64(seed);
        Self {
            at,
            clients: Clients::default(),
            servers: Servers::default(),
            dialogs: HashMap::new(),
            finals: BTreeMap::new(),
            told: BTreeSet::new(),
            dice,
            is_lively: false,
        }
    }

    fn flow() -> Flow {
        Flow { listener: 0, transport: Transport::Udp, remote: socket(US), connection: 0 }
    }

    fn soon(&mut self, now: Nanos, ms: u64) -> Nanos {
        now + Duration::from_millis(1 + below(&mut self.dice, ms))
    }

    fn begin(
        &mut self,
        now: Nanos,
        method: &Method,
        draft: impl FnOnce(String) -> Draft,
        out: &mut Vec<Sending>,
    ) -> (ClientId, Request) {
        let nonce = self.dice.next_u64();
        let id = self.clients.reserve(now, nonce, Self::flow(), method, ());
        let text = draft(self.clients.branch(id)).text();
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("{text}") };
        self.clients.begin(now, id, request.to_bytes(), out);
        (id, request)
    }

    /// Calls as `invite` says, and gives up if its dice say so.
    pub(super) fn call(&mut self, now: Nanos, invite: Draft, out: &mut Vec<Sending>) {
        let id = invite.call;
        let (client, request) = self.begin(now, &Method::Invite, |branch| Draft { branch, ..invite }, out);
        let cancels = below(&mut self.dice, 3) == 0;
        let next = cancels.then(|| (self.soon(now, 4_000), Deed::Cancel));
        let dialog = Dialog { client: Some(client), ..Dialog::new(request, true, next, now) };
        self.dialogs.insert(id.into(), dialog);
    }

    fn hear(&mut self, now: Nanos, bytes: &[u8], out: &mut Vec<Sending>) {
        match Message::parse(bytes).expect("the element sends what can be read") {
            Message::Request(request) => self.asked(now, request, out),
            Message::Response(response) => self.answered(now, &response, out),
        }
    }

    fn asked(&mut self, now: Nanos, request: Request, out: &mut Vec<Sending>) {
        let call = String::from_utf8_lossy(&request.call_id).into_owned();
        match self.servers.receive(&request, Self::flow(), now, out) {
            Arrived::Absorbed | Arrived::LateCancel => {}
            Arrived::Ack => {
                if let Some(dialog) = self.dialogs.get_mut(&call) {
                    dialog.answer = None;
                }
            }
            Arrived::Cancel(server, ()) => {
                self.say(now, &request, 200, out);
                if let Some(dialog) = self.dialogs.get_mut(&call) {
                    dialog.next = None;
                    let terminated = reply(&dialog.invite, 487, "callee", self.at, "");
                    self.servers.respond(now, server, 487, terminated.into(), out);
                }
            }
            Arrived::New if *request.method() == Method::Invite && !self.dialogs.contains_key(&call) => {
                let server = self.servers.begin(&request, Self::flow(), ());
                let deed = match below(&mut self.dice, 10) {
                    0 => Deed::Answer(486),
                    1 => Deed::Answer(503),
                    _ => Deed::Ring,
                };
                let next = Some((self.soon(now, 500), deed));
                let dialog = Dialog { server: Some(server), ..Dialog::new(request, false, next, now) };
                self.dialogs.insert(call, dialog);
            }
            Arrived::New if *request.method() == Method::Bye => {
                let known = self.dialogs.remove(&call).is_some();
                self.told.insert(call);
                self.say(now, &request, if known { 200 } else { 481 }, out);
            }
            Arrived::New => self.say(now, &request, 481, out),
        }
    }

    fn say(&mut self, now: Nanos, request: &Request, status: u16, out: &mut Vec<Sending>) {
        let server = self.servers.begin(request, Self::flow(), ());
        self.servers.respond(now, server, status, reply(request, status, "callee", self.at, "").into(), out);
    }

    fn answered(&mut self, now: Nanos, response: &Response, out: &mut Vec<Sending>) {
        let Heard::Owner(id, ()) = self.clients.receive(now, response, out) else { return };
        let call = String::from_utf8_lossy(&response.call_id).into_owned();
        let (later, status) = (self.soon(now, 6_000), response.status());
        let dice = if self.is_lively { below(&mut self.dice, 4) } else { 0 };
        if status >= 200 && response.method == Method::Invite {
            self.finals.entry(call.clone()).or_default().insert(status);
        }
        let Some(dialog) = self.dialogs.get_mut(&call).filter(|dialog| dialog.client == Some(id)) else { return };
        if status < 200 {
            return;
        }
        dialog.finals.insert(status);
        if status < 300 {
            dialog.peer.get_or_insert_with(|| response.clone());
            let deed = [Deed::HangUp, Deed::HangUp, Deed::Update, Deed::Press][dice as usize];
            dialog.next.get_or_insert((later, deed));
            let ack = dialog.within("ACK", self.at).expect("it is answered");
            let ack = Draft { branch: "z9hG4bKack".into(), cseq: 1, ..ack };
            out.push(Sending { flow: Self::flow(), bytes: ack.text().into() });
        } else {
            dialog.next = None;
        }
    }

    /// Does what is due.
    fn act(&mut self, now: Nanos, out: &mut Vec<Sending>) {
        self.servers.timeout(now, out);
        while self.clients.timeout(now, out).is_some() {}
        let calls: Vec<_> = self.dialogs.keys().cloned().collect();
        for call in calls {
            self.act_in(now, &call, out);
        }
    }

    fn act_in(&mut self, now: Nanos, call: &str, out: &mut Vec<Sending>) {
        let Some(mut dialog) = self.dialogs.remove(call) else { return };
        if let Some((bytes, at, gap)) = &mut dialog.answer
            && now >= *at
        {
            // A 2xx is repeated by whoever gave it (RFC 3261 §13.3.1.4), and the call ended if nobody acknowledges it.
            out.push(Sending { flow: Self::flow(), bytes: bytes.clone().into() });
            *gap = (*gap * 2).min(T2);
            *at = now + *gap;
        }
        let next = dialog.next.take_if(|(at, _)| *at <= now).map(|(_, deed)| deed);
        let gives_up = now >= dialog.gives_up;
        match next.or(gives_up.then_some(Deed::HangUp)) {
            None => {}
            Some(Deed::Cancel) => {
                if let Some(client) = dialog.client {
                    self.clients.cancel(now, client, out);
                }
                if dialog.finals.is_empty() {
                    dialog.next = Some((now + T1, Deed::Cancel));
                }
            }
            Some(Deed::Ring) => {
                // Some have something to say before they answer.
                let body = if below(&mut self.dice, 2) == 0 { sdp("203.0.113.7:6000") } else { String::new() };
                let ringing = reply(&dialog.invite, 180, "callee", self.at, &body);
                self.servers.respond(now, dialog.server.expect("it was called"), 180, ringing.into(), out);
                let never = below(&mut self.dice, 10) == 0;
                dialog.next = (!never).then(|| (self.soon(now, 3_000), Deed::Answer(200)));
            }
            Some(Deed::Answer(status)) => {
                let body = if status == 200 { sdp("203.0.113.7:6000") } else { String::new() };
                let bytes = reply(&dialog.invite, status, "callee", self.at, &body);
                self.servers.respond(now, dialog.server.expect("it was called"), status, bytes.clone().into(), out);
                if status == 200 {
                    dialog.answer = Some((bytes, now + T1, T1));
                    dialog.next = Some((now + PATIENCE, Deed::HangUp));
                } else {
                    dialog.next = None;
                }
            }
            Some(deed @ (Deed::Update | Deed::Press)) => {
                dialog.cseq += 1;
                let draft = dialog.within(if deed == Deed::Update { "UPDATE" } else { "INFO" }, self.at);
                let body = if deed == Deed::Update { sdp("203.0.113.8:6100") } else { "5".into() };
                if let Some(draft) = draft {
                    let method = if deed == Deed::Update { Method::Update } else { Method::Info };
                    self.begin(now, &method, |branch| Draft { branch, body, ..draft }, out);
                }
                dialog.next = Some((self.soon(now, 3_000), Deed::HangUp));
            }
            Some(Deed::HangUp) => {
                dialog.cseq += 1;
                if let Some(draft) = dialog.within("BYE", self.at) {
                    self.begin(now, &Method::Bye, |branch| Draft { branch, ..draft }, out);
                }
                return;
            }
        }
        self.dialogs.insert(call.into(), dialog);
    }

    fn deadline(&self) -> Nanos {
        let dialogs = self
            .dialogs
            .values()
            .flat_map(|it| [it.answer.as_ref().map(|it| it.1), it.next.map(|it| it.0), Some(it.gives_up)]);
        let all = dialogs.chain([self.servers.deadline(), self.clients.deadline()]);
        all.flatten().min().unwrap_or(Nanos(u64::MAX))
    }
}

pub(super) fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let phones = [(CARRIER, 1), (PBX, 2), (PBX_2, 3)].map(|(at, more)| Phone::new(at, seed * 10 + more));
        Self { bench: Bench::new(), phones, dice: ChaCha8Rng::seed_from_u64(seed), wire: BinaryHeap::new(), sent: 0 }
    }

    fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let copies = match below(&mut self.dice, 1000) {
            dice if dice < LOST => 0,
            dice if dice < LOST + TWICE => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let delay = Duration::from_millis(1 + below(&mut self.dice, DELAY_MS_MAX));
            self.sent += 1;
            self.wire.push(Reverse((self.bench.now + delay, self.sent, from, to, bytes.to_vec())));
        }
    }

    pub(super) fn post_all(&mut self, from: SocketAddr, out: Vec<Sending>) {
        for sending in out {
            self.post(from, sending.flow.remote, &sending.bytes);
        }
    }

    /// What the element sent goes onto the wire.
    pub(super) fn collect(&mut self) {
        for (to, messages) in std::mem::take(&mut self.bench.sent) {
            for message in messages {
                let bytes = match &message {
                    Message::Request(request) => request.to_bytes(),
                    Message::Response(response) => response.to_bytes(),
                };
                self.post(socket(US), to, &bytes);
            }
        }
    }

    pub(super) fn run(&mut self, duration: Duration) {
        let end = self.bench.now + duration;
        loop {
            let wire = self.wire.peek().map_or(Nanos(u64::MAX), |Reverse(packet)| packet.0);
            let phones = self.phones.iter().map(Phone::deadline).min().unwrap_or(Nanos(u64::MAX));
            let next = wire.min(phones).min(self.bench.element.deadline()).max(self.bench.now);
            if next > end {
                break;
            }
            self.bench.now = next;
            while let Some(Reverse((_, _, from, to, bytes))) = self.wire.pop_if_due(next) {
                self.deliver(from, to, &bytes);
            }
            for index in 0..self.phones.len() {
                let mut out = Vec::new();
                self.phones[index].act(next, &mut out);
                self.post_all(socket(self.phones[index].at), out);
            }
            self.bench.element.timeout(next);
            self.bench.drain();
            self.collect();
        }
        self.bench.now = end;
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to == socket(US) {
            self.bench.send(&from.to_string(), bytes);
            self.collect();
        } else if let Some(phone) = self.phones.iter_mut().find(|phone| socket(phone.at) == to) {
            let mut out = Vec::new();
            phone.hear(self.bench.now, bytes, &mut out);
            self.post_all(to, out);
        }
    }
}

trait PopIfDue<T> {
    fn pop_if_due(&mut self, now: Nanos) -> Option<T>;
}

impl PopIfDue<Reverse<Packet>> for BinaryHeap<Reverse<Packet>> {
    fn pop_if_due(&mut self, now: Nanos) -> Option<Reverse<Packet>> {
        if self.peek().is_some_and(|Reverse(packet)| packet.0 <= now) { self.pop() } else { None }
    }
}

/// What was found when the element was started again.
#[derive(Default)]
struct Lives {
    restarts: usize,
    /// When the last of them was.
    last: Nanos,
    /// Calls that an element took up from another one.
    taken_up: BTreeSet<String>,
    /// Those of them that had ended, and nobody had written it down.
    undead: BTreeSet<String>,
    /// Relays of calls that nobody had written down.
    orphans: usize,
}

impl World {
    /// The element dies, and another one goes on from what was written down. What it had begun is forgotten, and the data
    /// plane has run on.
    fn restart(&mut self, lives: &mut Lives) {
        let now = self.bench.now;
        lives.restarts += 1;
        lives.last = now;
        let unwritten = Duration::from_millis(below(&mut self.dice, UNWRITTEN_MS_MAX));
        let (written, lost): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.bench.journal).into_iter().partition(|(at, _)| *at + unwritten < now);
        let mut seed = [0; 32];
        self.dice.fill_bytes(&mut seed);
        let board = self.bench.element.media().clone();
        self.bench.element = Element::new(Arc::new(trunks()), Limits::default(), board, ports(), seed, now);
        self.bench.journal = written;
        for snapshot in running(&self.bench.journal).into_values() {
            let json = serde_json::to_string(&snapshot).expect("JSON");
            if self.bench.element.restore(&serde_json::from_str(&json).expect("the same")) {
                lives.taken_up.insert(snapshot.id);
            } else {
                // A call that was not up cannot go on: the daemon ends what it has in the data plane, and forgets it.
                self.end_relays(snapshot.relays());
                self.bench.journal.retain(|(_, it)| !matches!(it, Noted::Kept(kept) if kept.id == snapshot.id));
            }
        }
        for (_, noted) in lost {
            match noted {
                Noted::Over(record) => drop(lives.undead.insert(record.id.to_string())),
                // Nobody knows of it any more, and its relays are for the operator to end.
                Noted::Kept(kept) if self.bench.element.calls().all(|call| call.id.to_string() != kept.id) => {
                    lives.orphans += self.end_relays(kept.relays());
                }
                Noted::Kept(_) => {}
            }
        }
        let mut known: Vec<_> =
            self.bench.element.calls().flat_map(|call| call.session.streams()).map(|it| it.1).collect();
        known.sort();
        let mut found: Vec<_> = self.bench.relays().iter().flat_map(|it| [it.a.local, it.b.local]).collect();
        found.retain(|at| at.port() % 2 == 0);
        found.sort();
        assert_eq!(found, known, "no relay without a call");
        self.bench.drain();
        self.collect();
    }

    fn end_relays(&mut self, relays: impl Iterator<Item = SocketAddr>) -> usize {
        let mut board = self.bench.element.media().relays.borrow_mut();
        relays.filter(|at| board.remove(&at.port()).is_some()).count()
    }

    /// Calls that begin one after the other, with deaths among them and behind them; then time for all to end.
    fn live(&mut self, deaths: bool) -> Lives {
        let mut lives = Lives::default();
        for number in 0..CALLS {
            let mut out = Vec::new();
            let invite = Draft { call: leak(&format!("call-{number}")), ..invite("") };
            self.phones[0].call(self.bench.now, invite, &mut out);
            self.post_all(socket(CARRIER), out);
            let pause = Duration::from_millis(below(&mut self.dice, 2000));
            self.run(pause);
            if deaths && below(&mut self.dice, 3) == 0 {
                self.restart(&mut lives);
            }
        }
        while deaths && below(&mut self.dice, 3) > 0 {
            let pause = Duration::from_millis(below(&mut self.dice, 4000));
            self.run(pause);
            self.restart(&mut lives);
        }
        self.run(Duration::from_secs(600));
        lives
    }
}

/// The calls that a journal says are running.
fn running(journal: &[(Nanos, Noted)]) -> BTreeMap<String, Snapshot> {
    let mut running = BTreeMap::new();
    for (_, noted) in journal {
        match noted {
            Noted::Kept(kept) => drop(running.insert(kept.id.clone(), (**kept).clone())),
            Noted::Over(record) => drop(running.remove(&record.id.to_string())),
        }
    }
    running
}

#[test]
fn calls_outlive_the_element_and_each_ends_once() {
    let (mut taken_up, mut undead, mut orphans, mut restarts, mut answers, mut byes) = (0, 0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let lives = world.live(true);
        let finals = &world.phones[0].finals;
        assert!(finals.values().all(|finals| finals.len() == 1), "seed {seed}: {finals:?}");
        answers += finals.len();
        let mut records = BTreeMap::new();
        for (at, noted) in &world.bench.journal {
            if let Noted::Over(record) = noted {
                let twice = records.insert(record.id.to_string(), (*at, record));
                assert!(twice.is_none(), "seed {seed}: {} has two records", record.id);
            }
        }
        assert!(running(&world.bench.journal).is_empty(), "seed {seed}: every call that was kept has its record");
        for id in &lives.taken_up {
            let (at, record) = records[id];
            assert!(record.answered_ns.is_some(), "seed {seed}: {record:?}");
            // Its parties still find each other: one of them has ended it, unless they had done so before, and the other
            // one is told, unless the element died meanwhile.
            assert!(record.cause.by.is_some() || lives.undead.contains(id), "seed {seed}: {record:?}");
            if at > lives.last {
                let mut others = world.phones.iter().filter(|phone| match record.cause.by {
                    Some(Role::Callee) => phone.at == CARRIER,
                    _ => phone.at != CARRIER,
                });
                assert!(others.any(|phone| phone.told.contains(&record.sip_call_id)), "seed {seed}: {record:?}");
                byes += 1;
            }
        }
        world.bench.assert_idle();
        taken_up += lives.taken_up.len();
        undead += lives.undead.intersection(&lives.taken_up).count();
        orphans += lives.orphans;
        restarts += lives.restarts;
    }
    // Otherwise this would say little. What an element had begun to answer when it died is answered by nobody.
    let seeds = SEEDS as usize;
    let counts = [
        restarts / seeds,
        taken_up / seeds,
        byes / (seeds / 2),
        answers / (seeds * CALLS / 2),
        undead / 4,
        orphans / 4,
    ];
    assert!(counts.iter().all(|count| *count > 0), "{restarts} {taken_up} {byes} {answers} {undead} {orphans}");
}

#[test]
fn whatever_a_network_does_each_call_ends_once_and_leaves_nothing() {
    let (mut answered, mut failed, mut failovers) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.live(false);
        let finals = &world.phones[0].finals;
        assert!(finals.values().all(|finals| finals.len() == 1), "seed {seed}: {finals:?}");
        assert_eq!(finals.len(), CALLS, "seed {seed}: an answer to each");
        assert_eq!(
            world.bench.records.len() as u64,
            world.bench.element.counters().calls,
            "seed {seed}: a record a call"
        );
        let names: BTreeSet<_> = world.bench.records.iter().map(|record| record.id).collect();
        assert_eq!(names.len(), world.bench.records.len(), "seed {seed}: and no more");
        answered += world.bench.element.counters().answered;
        failovers += world.bench.element.counters().failovers;
        failed += world.bench.records.iter().filter(|record| record.answered_ns.is_none()).count();
        world.bench.assert_idle();
    }
    // Otherwise this would say little.
    assert!(answered > SEEDS && failed > SEEDS as usize && failovers > SEEDS / 4, "{answered} {failed} {failovers}");
}
