//! Over which link, and where the other end is.

use crate::support::child::{self, Child};
use crate::support::cue::{self, Cue};
use crate::support::seccomp;
use ringway::channel::{Channel, LinkChoice, Options, Pending, Wait, pair};

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What carries the messages.
    pub link: LinkChoice,
    pub place: Place,
    /// A system call that is denied, and with which error. The link is what is left then.
    denied: Option<(libc::c_long, i32)>,
    wait: Wait,
}

/// Where the other end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Thread,
    Child,
}

impl Setting {
    pub fn over(link: LinkChoice, place: Place) -> Self {
        Self { link, place, denied: None, wait: Wait::default() }
    }

    pub fn without(call: libc::c_long, errno: i32, link: LinkChoice, place: Place) -> Self {
        Self { denied: Some((call, errno)), ..Self::over(link, place) }
    }

    /// Over shared memory, where the ends wait in this way.
    pub fn waiting(wait: Wait, place: Place) -> Self {
        Self { wait, ..Self::over(LinkChoice::Shm, place) }
    }

    /// Denies what is to be denied, to this process for good and to its children.
    pub fn prepare(&self) {
        if let Some((call, errno)) = self.denied {
            seccomp::deny(call, errno);
        }
    }

    /// A small ring, so that what is sent goes round it.
    pub fn options(&self) -> Options {
        let link = if self.denied.is_some() { LinkChoice::Auto } else { self.link };
        Options::new().link(link).wait(self.wait).capacity(64 << 10).unwrap()
    }

    /// Connects two ends and lets each do its part. Both must come to their end.
    pub fn run(
        &self,
        options: &Options,
        ours: impl FnOnce(Channel, &Cue),
        theirs: impl FnOnce(Channel, &Cue) + Send,
    ) {
        match self.place {
            Place::Thread => in_a_thread(options, self.link, ours, theirs),
            Place::Child => {
                let (child, channel, cue) = in_a_child(options, self.link, theirs);
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
        in_a_child(&self.options(), self.link, theirs)
    }
}

/// Our end, over the link that the setting says.
fn connect(end: Pending, link: LinkChoice) -> Channel {
    let channel = end.connect().unwrap();
    assert_eq!(channel.about().fallback.is_some(), link == LinkChoice::Socket, "{:?}", channel.about());
    channel
}

fn in_a_thread(
    options: &Options,
    link: LinkChoice,
    ours: impl FnOnce(Channel, &Cue),
    theirs: impl FnOnce(Channel, &Cue) + Send,
) {
    let (our_end, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    std::thread::scope(|scope| {
        scope.spawn(move || theirs(their_end.connect().unwrap(), &their_cue));
        ours(connect(our_end, link), &our_cue);
        // Not before the scope ends: the other end may still want to tell something.
        our_cue
    });
}

fn in_a_child(
    options: &Options,
    link: LinkChoice,
    theirs: impl FnOnce(Channel, &Cue),
) -> (Child, Channel, Cue) {
    let (our_end, their_end) = pair(options).unwrap();
    let (our_cue, their_cue) = cue::pair();
    let (mut our_end, mut our_cue) = (Some(our_end), Some(our_cue));
    let child = child::fork(|| {
        drop((our_end.take(), our_cue.take()));
        theirs(their_end.connect().unwrap(), &their_cue);
    });
    (child, connect(our_end.unwrap(), link), our_cue.unwrap())
}
