//! The events of a cluster, in the only order that there may be.

use ringway::cluster::DisconnectReason;
use ringway::{Cluster, Event, ExitCause, Message, WorkerId};
use std::collections::BTreeMap;

/// What was told of each worker.
#[derive(Debug, Default)]
pub struct Diary {
    lives: BTreeMap<WorkerId, Life>,
}

/// What was told of one worker.
#[derive(Debug)]
pub struct Life {
    pub pid: u32,
    pub online: bool,
    pub left: Option<DisconnectReason>,
    pub exit: Option<ExitCause>,
    pub undelivered: Vec<Message>,
}

impl Diary {
    /// The rest of the events of a cluster, each message of which `on_message` gets.
    pub fn of(cluster: &Cluster, on_message: impl FnMut(WorkerId, &Message)) -> Diary {
        let mut diary = Diary::default();
        diary.read_on(cluster, on_message);
        diary
    }

    /// Goes on to the end, which stays the end.
    pub fn read_on(&mut self, cluster: &Cluster, mut on_message: impl FnMut(WorkerId, &Message)) {
        while let Some(event) = cluster.next_event().expect("an event") {
            if let Some((from, message)) = self.note(event) {
                on_message(from, &message);
            }
        }
        assert!(cluster.next_event().expect("the end").is_none(), "the end is the end");
        assert!(cluster.ids().is_empty());
        assert!(self.lives.values().all(|life| life.exit.is_some()), "{self:?}");
    }

    /// Goes on until `workers` workers were started.
    pub fn all_forked(&mut self, cluster: &Cluster, workers: usize) {
        while self.lives.len() < workers {
            let event = cluster.next_event().expect("an event").expect("living workers");
            assert!(self.note(event).is_none(), "a message before all were started");
        }
    }

    /// Goes on until every one of `workers` workers is online.
    pub fn all_online(&mut self, cluster: &Cluster, workers: usize) {
        while self.lives.values().filter(|life| life.online).count() < workers {
            let event = cluster.next_event().expect("an event").expect("living workers");
            assert!(self.note(event).is_none(), "a message before all are online");
        }
    }

    /// Goes on until there is a message.
    pub fn next_message(&mut self, cluster: &Cluster) -> (WorkerId, Message) {
        loop {
            let event = cluster.next_event().expect("an event").expect("living workers");
            if let Some(message) = self.note(event) {
                return message;
            }
        }
    }

    /// Writes one event down; panics if it comes at a wrong time.
    pub fn note(&mut self, event: Event) -> Option<(WorkerId, Message)> {
        let id = event.id();
        if let Event::Forked { pid, .. } = event {
            let life = Life { pid, online: false, left: None, exit: None, undelivered: Vec::new() };
            assert!(self.lives.insert(id, life).is_none(), "{id}: started twice");
            return None;
        }
        let life = self.lives.get_mut(&id).expect("a worker that was started");
        assert_eq!(life.exit, None, "{id}: {event:?} after its end");
        match event {
            Event::Online { .. } => assert!(!std::mem::replace(&mut life.online, true), "{id}: twice online"),
            Event::Message { from, message } => {
                assert!(life.online && life.left.is_none(), "{id}: a message out of its time");
                return Some((from, message));
            }
            Event::Disconnected { reason, .. } => {
                assert!(life.online && life.left.replace(reason).is_none(), "{id}: a wrong disconnect");
            }
            Event::Exited { cause, undelivered, .. } => {
                assert_eq!(life.online, life.left.is_some(), "{id}: ended without its disconnect");
                life.exit = Some(cause);
                life.undelivered = undelivered.collect();
            }
            other => panic!("{other:?} is not known here"),
        }
        None
    }

    pub fn life(&self, id: WorkerId) -> &Life {
        &self.lives[&id]
    }

    pub fn lives(&self) -> impl Iterator<Item = (WorkerId, &Life)> {
        self.lives.iter().map(|(id, life)| (*id, life))
    }

    /// Every worker ended by itself, well, and had received everything.
    pub fn ends_well(&self) {
        for (id, life) in &self.lives {
            assert_eq!(life.exit, Some(ExitCause::Code(0)), "{id}");
            assert_eq!(life.left, Some(DisconnectReason::Closed), "{id}");
            assert_eq!(life.undelivered, [], "{id}");
        }
    }

    /// How the only worker ended.
    pub fn only_exit(&self) -> ExitCause {
        assert_eq!(self.lives.len(), 1);
        self.lives.values().next().and_then(|life| life.exit.clone()).expect("its end")
    }
}
