//! Machines against any bytes, and against each other: the bodies of the fuzz targets `control` and `handshake`.
//!
//! The input is a list of choices, read byte by byte; where it ends, every further choice is 0. So every input
//! means something, and every handshake comes to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::accept::{Acceptance, Acceptor, Limits};
use super::decode::decode;
use super::fallback::{Cause, Chosen, End, Fallback, LinkChoice, Obstacle};
use super::handshake::{Action, Agreed, Event, FdReceipt, Local, Machine};
use super::identity::Identity;
use super::message::{Attach, FdKinds, Features, Hello, Message, Reason, Refuse, Terms};
use super::offer::{Offer, Offerer};
use super::refusal::Refusal;
use crate::segment::{Capacity, Name};

/// The time limit of every handshake here; a tick is a quarter of it.
const LIMIT: Duration = Duration::from_secs(4);

/// Choices, read from the front.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % bound
    }

    fn bytes(&mut self) -> &'a [u8] {
        let len = self.below(self.0.len() + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn cause(&mut self) -> Cause {
        Cause::with_errno(self.one_of(Obstacle::ALL), self.byte().into())
    }

    fn opened(&mut self) -> Result<(), Cause> {
        match self.byte() % 8 {
            1 | 5 => Err(self.cause()),
            2 => Err(Cause::with_errno(Obstacle::MemfdCreate, 1)),
            _ => Ok(()),
        }
    }

    fn chosen(&mut self) -> Chosen {
        let bits = self.byte();
        if bits & 1 == 1 {
            return Chosen::Shm;
        }
        let fallback = Fallback { at: self.one_of(End::ALL), cause: self.cause() };
        if bits & 2 == 0 { Chosen::Socket(fallback) } else { Chosen::Portable(fallback) }
    }

    fn local(&mut self) -> Local {
        let bits = self.byte();
        Local {
            layout: u64::from(bits & 1),
            pid: 7,
            features: Features::from_bits(u32::from(bits >> 4)).unwrap_or_default(),
            choice: self.one_of(LinkChoice::ALL),
            shm: if bits & 2 == 0 { Ok(()) } else { Err(self.cause()) },
            pidfd: bits & 4 == 0,
            portable: if bits & 8 == 0 { Err(Cause::new(Obstacle::NotBuilt)) } else { Ok(()) },
        }
    }

    fn terms(&mut self) -> Terms {
        let capacities = [Capacity::MIN, Capacity::default(), Capacity::MAX];
        Terms {
            to_acceptor: self.one_of(&capacities),
            to_offerer: self.one_of(&capacities),
            max_message: 1 << (self.byte() % 8),
        }
    }

    fn limits(&mut self) -> Limits {
        match self.byte() % 4 {
            0 | 1 => Limits::NONE,
            2 => Limits { capacity: Capacity::default(), ..Limits::NONE },
            _ => Limits { max_message: 8, ..Limits::NONE },
        }
    }

    fn offer(&mut self) -> Offer {
        let mut identity = Identity::new(3, 1);
        if self.bit() {
            // One bit apart, so that a spoiled key is the same key twice.
            for key in ["j", "k"] {
                identity = identity.with_label(key, "v").unwrap_or_default();
            }
        }
        let local = self.local();
        let name = local.portable.ok().map(|()| Name::from_bytes([9; Name::LEN]));
        Offer { local, terms: self.terms(), identity, name }
    }

    /// The descriptors that fit a message, mostly.
    fn fds(&mut self, chosen: Chosen, shm: FdKinds) -> FdKinds {
        let needed = if chosen == Chosen::Shm { shm } else { FdKinds::NONE };
        if self.bit() { needed.with(FdKinds::PIDFD) } else { needed }
    }

    fn message(&mut self) -> Message {
        match self.byte() % 5 {
            0 => {
                let Offer { local, terms, identity, .. } = self.offer();
                let Local { layout, pid, features, choice, .. } = local;
                let chosen = self.chosen();
                let fds = self.fds(chosen, FdKinds::SEGMENT.with(FdKinds::WAIT_PAGE));
                Message::Hello(Box::new(Hello {
                    layout,
                    terms,
                    pid,
                    features,
                    chosen,
                    choice,
                    fds,
                    identity,
                    name: matches!(chosen, Chosen::Portable(_)).then_some(Name::from_bytes([7; Name::LEN])),
                }))
            }
            1 => {
                let Local { pid, features, choice, .. } = self.local();
                let chosen = self.chosen();
                let fds = self.fds(chosen, FdKinds::SEGMENT);
                Message::Attach(Attach { pid, features, chosen, choice, fds })
            }
            2 => Message::Go(self.chosen()),
            3 => Message::Refuse(Refuse {
                reason: self.one_of(Reason::ALL),
                limit: self.byte().into(),
                fallback: self.chosen().fallback(),
            }),
            _ => match self.byte() % 4 {
                1 => Message::Borrow,
                2 | 3 => Message::Lend(self.chosen()),
                _ => Message::Doorbell,
            },
        }
    }

    /// A message as it should be, or spoiled, or any bytes; and how many descriptors it is said to have.
    fn packet(&mut self) -> (Vec<u8>, usize) {
        let message = self.message();
        let declared = match &message {
            Message::Hello(hello) => hello.fds.count(),
            Message::Attach(attach) => attach.fds.count(),
            Message::Lend(Chosen::Shm) => 1,
            _ => 0,
        };
        let mut packet = message.encode();
        match self.byte() % 8 {
            0 => packet.truncate(self.below(packet.len() + 1)),
            1 => packet.extend(self.bytes()),
            2 | 3 => {
                let at = self.below(packet.len());
                packet[at] ^= self.byte();
            }
            4 => packet = self.bytes().to_vec(),
            5 => packet.resize(packet.len() + 2 * self.below(4096), 0),
            _ => {}
        }
        (packet, declared)
    }

    fn receipt(&mut self, declared: usize) -> FdReceipt {
        match self.byte() % 8 {
            0 => FdReceipt::Complete(self.below(301)),
            1 => FdReceipt::Truncated { errno: 0 },
            2 => FdReceipt::Denied { errno: 1 },
            _ => FdReceipt::Complete(declared),
        }
    }
}

/// A machine and its time, driven by the book: each action is followed by an event that can follow it.
struct Driven<M> {
    machine: M,
    now: Instant,
    action: Action,
}

impl<M: Machine> Driven<M> {
    fn start(mut machine: M, now: Instant) -> Self {
        let action = machine.step(Event::Start, now);
        Self { machine, now, action }
    }

    fn tell(&mut self, event: Event<'_>) {
        self.action = self.machine.step(event, self.now);
        if let Action::Refused { notice: Some(notice), refusal } = &self.action {
            assert!(matches!(decode(notice), Ok(Message::Refuse(_))), "{refusal:?}: {notice:?}");
        }
    }

    fn tick(&mut self) {
        self.now += LIMIT / 4;
        self.tell(Event::Tick);
    }

    fn end(&self) -> Option<Result<Agreed, Refusal>> {
        match &self.action {
            Action::Done(agreed) => Some(Ok((**agreed).clone())),
            Action::Refused { refusal, .. } => Some(Err(refusal.clone())),
            _ => None,
        }
    }

    /// After the end there is nothing more, whatever happens.
    fn assert_over(&mut self) {
        for event in [Event::Start, Event::Tick, Event::Sent, Event::Opened(Ok(())), Event::HungUp] {
            let action = self.machine.step(event, self.now);
            assert!(
                matches!(action, Action::Refused { refusal: Refusal::OutOfStep { .. }, .. }),
                "{action:?}"
            );
        }
    }
}

/// A link of the kind that an end insists on, or none.
fn assert_obeys(agreed: &Agreed, choice: LinkChoice) {
    match choice {
        LinkChoice::Shm => assert_eq!(agreed.chosen, Chosen::Shm),
        LinkChoice::Socket => assert!(matches!(agreed.chosen, Chosen::Socket(_))),
        LinkChoice::Portable => assert!(matches!(agreed.chosen, Chosen::Portable(_))),
        LinkChoice::Auto => {}
    }
}

/// One machine, and a peer that says anything at any time, with 0 to 300 descriptors.
///
/// # Errors
/// How the handshake failed, for whoever counts the ways.
///
/// # Panics
/// If the machine breaks a promise.
pub fn control(data: &[u8]) -> Result<Agreed, Refusal> {
    if let Ok(message) = decode(data) {
        assert_eq!(message.encode(), data, "{message:?}");
    }
    let mut choices = Choices(data);
    let now = Instant::now();
    if choices.bit() {
        let offer = choices.offer();
        let choice = offer.local.choice;
        feed(Driven::start(Offerer::new(offer, now, now + LIMIT), now), choice, &mut choices)
    } else {
        let local = choices.local();
        let acceptance = Acceptance { local, limits: choices.limits() };
        feed(Driven::start(Acceptor::new(acceptance, now, now + LIMIT), now), local.choice, &mut choices)
    }
}

fn feed<M: Machine>(
    mut driven: Driven<M>,
    choice: LinkChoice,
    choices: &mut Choices<'_>,
) -> Result<Agreed, Refusal> {
    // The longest way: two messages sent twice and one once, three packets, two segments, and the ticks of the time limit.
    for _ in 0..16 {
        if let Some(end) = driven.end() {
            driven.assert_over();
            let _ = end.as_ref().map(|agreed| assert_obeys(agreed, choice));
            return end;
        }
        match driven.action.clone() {
            Action::Send { fds, .. } => match choices.byte() % 16 {
                1 => driven.tell(Event::HungUp),
                2 => driven.tell(Event::Failed { call: "send", errno: 11 }),
                3 => driven.tell(Event::Packet { bytes: &choices.packet().0, fds: FdReceipt::Complete(0) }),
                4 | 5 if fds != FdKinds::NONE => driven.tell(Event::FdsDenied { errno: 1 }),
                6 => driven.tell(Event::Start),
                _ => driven.tell(Event::Sent),
            },
            Action::Open | Action::Lend => driven.tell(Event::Opened(choices.opened())),
            Action::Wait { .. } => match choices.byte() % 16 {
                0 => driven.tick(),
                1 => driven.tell(Event::HungUp),
                2 => driven.tell(Event::Died),
                3 => driven.tell(Event::Failed { call: "recv", errno: 12 }),
                _ => {
                    let (bytes, declared) = choices.packet();
                    let fds = choices.receipt(declared);
                    driven.tell(Event::Packet { bytes: &bytes, fds });
                }
            },
            Action::Done(_) | Action::Refused { .. } => {}
        }
    }
    panic!("the handshake does not end: {:?}", driven.action);
}

/// Packets on their way, each with the number of its descriptors.
type Queue = VecDeque<(Vec<u8>, usize)>;

/// Both machines, over a line that may lose, spoil or repeat packets, between hosts that may fail.
///
/// # Errors
/// How the handshake failed at either end: offering, accepting.
///
/// # Panics
/// If the machines break a promise.
pub fn handshake(data: &[u8]) -> (Result<Agreed, Refusal>, Result<Agreed, Refusal>) {
    let choices = &mut Choices(data);
    let (offer, local, limits) = (choices.offer(), choices.local(), choices.limits());
    let faulty = choices.bit();
    let wishes = [offer.local.choice, local.choice];
    let now = Instant::now();
    let mut offerer = Driven::start(Offerer::new(offer, now, now + LIMIT), now);
    let mut acceptor = Driven::start(Acceptor::new(Acceptance { local, limits }, now, now + LIMIT), now);
    let (mut to_acceptor, mut to_offerer) = (Queue::new(), Queue::new());
    for _ in 0..32 {
        advance(&mut offerer, &mut to_acceptor, &mut to_offerer, choices, faulty);
        advance(&mut acceptor, &mut to_offerer, &mut to_acceptor, choices, faulty);
    }
    let (Some(offered), Some(accepted)) = (offerer.end(), acceptor.end()) else {
        panic!("the handshake does not end: {:?}, {:?}", offerer.action, acceptor.action);
    };
    for agreed in [&offered, &accepted].into_iter().flatten() {
        wishes.iter().for_each(|choice| assert_obeys(agreed, *choice));
    }
    match (&offered, &accepted) {
        (Ok(ours), Ok(theirs)) => {
            let peer = theirs.peer;
            assert_eq!(&Agreed { peer, ..ours.clone() }, theirs);
        }
        (Err(ours), Err(theirs)) if !faulty => {
            assert!(
                matches!(ours, Refusal::Peer(_)) != matches!(theirs, Refusal::Peer(_)),
                "{ours}, {theirs}"
            );
        }
        _ => assert!(faulty, "{offered:?}, {accepted:?}"),
    }
    (offered, accepted)
}

/// One step of one end.
fn advance<M: Machine>(
    end: &mut Driven<M>,
    out: &mut Queue,
    incoming: &mut Queue,
    choices: &mut Choices<'_>,
    faulty: bool,
) {
    match end.action.clone() {
        Action::Send { packet, fds } => {
            if fds != FdKinds::NONE && choices.byte() % 8 == 1 {
                return end.tell(Event::FdsDenied { errno: 1 });
            }
            let count = fds.count();
            match if faulty { choices.byte() % 16 } else { 0 } {
                1 => {}
                2 => out.extend([(packet.clone(), count), (packet, count)]),
                3 => {
                    let mut spoiled = packet;
                    // Only the header: elsewhere a spoiled message can be another valid one, and the ends differ.
                    spoiled[choices.below(8)] ^= choices.byte();
                    out.push_back((spoiled, count));
                }
                4 => out.push_back((packet, choices.below(301))),
                _ => out.push_back((packet, count)),
            }
            end.tell(Event::Sent);
        }
        Action::Open | Action::Lend => end.tell(Event::Opened(choices.opened())),
        Action::Wait { .. } => match incoming.pop_front() {
            Some((bytes, _)) if choices.byte() % 8 == 1 => {
                end.tell(Event::Packet { bytes: &bytes, fds: FdReceipt::Denied { errno: 1 } });
            }
            Some((bytes, count)) => {
                end.tell(Event::Packet { bytes: &bytes, fds: FdReceipt::Complete(count) });
            }
            None if faulty && choices.byte() % 16 == 1 => end.tell(Event::HungUp),
            // Without faults the other end has something to say, and time stands still until it has.
            None if faulty => end.tick(),
            None => {}
        },
        Action::Refused { notice: Some(notice), .. } => {
            out.push_back((notice, 0));
            end.action = match end.end() {
                Some(Err(refusal)) => Action::Refused { notice: None, refusal },
                _ => return,
            };
        }
        Action::Done(_) | Action::Refused { .. } => {}
    }
}
