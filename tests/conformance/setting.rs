//! Over which link, and where the other end is.

use crate::support::child::{self, Child};
use crate::support::cue::{self, Cue};
use ringway::channel::{Channel, LinkChoice, Options, pair};

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub link: LinkChoice,
    pub place: Place,
}

/// Where the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Thread,
    Child,
}

impl Setting {
    /// A small ring, so that what is sent goes round it.
    pub fn options(&self) -> Options {
        Options::new().link(self.link).capacity(64 << 10).unwrap()
    }

    /// Connects two ends and lets each do its part. Both must come to their end.
    pub fn run(
        &self,
        options: &Options,
        ours: impl FnOnce(Channel, &Cue),
        theirs: impl FnOnce(Channel, &Cue) + Send,
    ) {
        match self.place {
            Place::Thread => in_a_thread(options, ours, theirs),
            Place::Child => {
                let (child, channel, cue) = in_a_child(options, theirs);
                ours(channel, &cue);
                child.succeeds();
            }
        }
    }

    /// The same with this setting's options.
    pub fn ends(&self, ours: impl FnOnce(Channel, &Cue), theirs: impl FnOnce(Channel, &Cue) + Send) {
        self.run(&self.options(), ours, theirs);
    }

    /// A channel to a child that can be killed.
    pub fn victim(&self, theirs: impl FnOnce(Channel, &Cue)) -> (Child, Channel, Cue) {
        assert_eq!(self.place, Place::Child);
        in_a_child(&self.options(), theirs)
    }
}

fn in_a_thread(
    options: &Options,
    ours: impl FnOnce(Channel, &Cue),
    theirs: impl FnOnce(Channel, &Cue) + Send,
) {
    let (our_end, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    std::thread::scope(|scope| {
        scope.spawn(move || theirs(their_end.connect().unwrap(), &their_cue));
        ours(our_end.connect().unwrap(), &our_cue);
        // Not before the scope ends: the other end may still want to tell something.
        our_cue
    });
}

fn in_a_child(options: &Options, theirs: impl FnOnce(Channel, &Cue)) -> (Child, Channel, Cue) {
    let (our_end, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let (mut our_end, mut our_cue) = (Some(our_end), Some(our_cue));
    let child = child::fork(|| {
        drop((our_end.take(), our_cue.take()));
        theirs(their_end.connect().unwrap(), &their_cue);
    });
    (child, our_end.unwrap().connect().unwrap(), our_cue.unwrap())
}
