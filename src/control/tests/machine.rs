//! A machine on a fake clock, and how to bring it to a stage.

use super::super::decode::decode;
use super::super::handshake::{Action, Agreed, Event, FdReceipt, Machine};
use super::super::refusal::Refusal;
use super::*;

/// A machine in some stage.
pub(super) struct At<M> {
    pub(super) machine: M,
    pub(super) now: Instant,
}

impl<M: Machine> At<M> {
    pub(super) fn start(machine: M, now: Instant) -> Self {
        let mut at = Self { machine, now };
        at.tell(Event::Start);
        at
    }

    pub(super) fn tell(&mut self, event: Event<'_>) -> Action {
        self.machine.step(event, self.now)
    }

    pub(super) fn hear_with(&mut self, message: &Message, fds: usize) -> Action {
        self.tell(Event::Packet { bytes: &message.encode(), fds: FdReceipt::Complete(fds) })
    }

    pub(super) fn hear(&mut self, message: &Message) -> Action {
        let fds = match message {
            Message::Hello(hello) => hello.fds.count(),
            Message::Attach(attach) => attach.fds.count(),
            Message::Lend(Chosen::Shm) => 1,
            _ => 0,
        };
        self.hear_with(message, fds)
    }
}

/// An offering machine that awaits the Attach.
pub(super) fn awaiting_attach(offer: Offer) -> At<Offerer> {
    let now = Instant::now();
    let mut at = At::start(offerer(offer, now), now);
    at.tell(Event::Sent);
    at
}

/// An accepting machine that awaits the Hello.
pub(super) fn awaiting_hello(acceptance: Acceptance) -> At<Acceptor> {
    let now = Instant::now();
    At::start(acceptor(acceptance, now), now)
}

/// Why an end must borrow.
pub(super) fn denied() -> Cause {
    Cause::with_errno(Obstacle::MemfdCreate, 1)
}

/// An accepting machine that awaits the Lend.
pub(super) fn awaiting_lend(acceptance: Acceptance) -> At<Acceptor> {
    let mut at = awaiting_hello(acceptance);
    at.hear(&a_hello(hello()));
    at.tell(Event::Opened(Err(denied())));
    at.tell(Event::Sent);
    at
}

/// An offering machine that sends the Lend, for a segment that was made.
pub(super) fn sending_lend(offer: Offer) -> At<Offerer> {
    let mut at = awaiting_attach(offer);
    assert_eq!(at.hear(&Message::Borrow), Action::Lend);
    at.tell(Event::Opened(Ok(())));
    at
}

/// An accepting machine that awaits the Go, for shared memory.
pub(super) fn awaiting_go(acceptance: Acceptance) -> At<Acceptor> {
    let mut at = awaiting_hello(acceptance);
    assert_eq!(at.hear(&a_hello(hello())), Action::Open);
    at.tell(Event::Opened(Ok(())));
    at.tell(Event::Sent);
    at
}

pub(super) fn a_hello(hello: Hello) -> Message {
    Message::Hello(Box::new(hello))
}

pub(super) fn refusal(action: Action) -> Refusal {
    match action {
        Action::Refused { refusal, notice } => {
            assert_eq!(notice, refusal.notice().map(|notice| notice.encode()));
            assert!(!refusal.to_string().is_empty());
            refusal
        }
        other => panic!("no refusal: {other:?}"),
    }
}

pub(super) fn sent(action: Action) -> (Message, FdKinds) {
    match action {
        Action::Send { packet, fds } => (decode(&packet).unwrap(), fds),
        other => panic!("nothing to send: {other:?}"),
    }
}

pub(super) fn agreed(action: Action) -> Agreed {
    match action {
        Action::Done(agreed) => *agreed,
        other => panic!("not done: {other:?}"),
    }
}
