//! Over which link, and where the other end is.

use crate::support::child::{self, Child};
use crate::support::cue::{self, Cue};
use crate::support::seccomp;
use ringway::channel::error::Cause;
use ringway::channel::{Channel, LinkChoice, LinkKind, Options, Pending, Wait, pair};

#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// What carries the messages.
    pub link: LinkChoice,
    pub place: Place,
    /// System calls that are denied, and with which error. The link is what is left then.
    denied: Option<(&'static [libc::c_long], i32)>,
    /// Whether the other end has its segment from this one, which lends it.
    lent: bool,
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
        Self { link, place, denied: None, lent: false, wait: Wait::default() }
    }

    pub fn without(calls: &'static [libc::c_long], errno: i32, link: LinkChoice, place: Place) -> Self {
        // Where it was built in, named memory is tried before the socket.
        let named = cfg!(feature = "portable") && calls.contains(&libc::SYS_memfd_create);
        let link = if named { LinkChoice::Portable } else { link };
        Self { denied: Some((calls, errno)), ..Self::over(link, place) }
    }

    /// Over shared memory, of which the other end may make none.
    pub fn lent(place: Place) -> Self {
        Self { lent: true, ..Self::over(LinkChoice::Shm, place) }
    }

    /// Over shared memory, where the ends wait in this way.
    pub fn waiting(wait: Wait, place: Place) -> Self {
        Self { wait, ..Self::over(LinkChoice::Shm, place) }
    }

    /// What is told of an end whose process was killed.
    pub fn death(&self) -> Cause {
        match self.denied {
            Some(([libc::SYS_pidfd_open | libc::SYS_sendmsg | libc::SYS_recvmsg], _)) => Cause::HungUp,
            _ => Cause::Died,
        }
    }

    /// Whether each send over the link looks itself whether the peer has ended: where no thread can be had that does.
    pub fn sends_look(&self) -> bool {
        let calls = self.denied.map_or(&[][..], |(calls, _)| calls);
        self.link == LinkChoice::Socket && calls.contains(&libc::SYS_futex)
    }

    /// Denies what is to be denied, to this process for good and to its children.
    pub fn prepare(&self) {
        if let Some((calls, errno)) = self.denied {
            calls.iter().for_each(|call| seccomp::deny(*call, errno));
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
            Place::Thread => self.in_a_thread(options, ours, theirs),
            Place::Child => {
                let (child, channel, cue) = self.in_a_child(options, theirs);
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
        self.in_a_child(&self.options(), theirs)
    }

    /// Our end, over the link that the setting says.
    fn connect(&self, end: Pending) -> Channel {
        let channel = end.connect().unwrap();
        let about = channel.about();
        let expected = match self.link {
            LinkChoice::Socket => LinkKind::Socket,
            LinkChoice::Portable => LinkKind::Portable,
            _ => LinkKind::Shm,
        };
        assert_eq!(
            (about.link, about.fallback.is_some()),
            (expected, expected != LinkKind::Shm),
            "{about:?}"
        );
        assert_eq!(about.lent, self.lent, "{about:?}");
        channel
    }

    /// The other end, in the thread that uses it.
    fn accept(&self, end: Pending) -> Channel {
        if self.lent {
            seccomp::deny(libc::SYS_memfd_create, libc::EPERM);
        }
        end.connect().unwrap()
    }

    fn in_a_thread(
        &self,
        options: &Options,
        ours: impl FnOnce(Channel, &Cue),
        theirs: impl FnOnce(Channel, &Cue) + Send,
    ) {
        let (our_end, their_end) = pair(options).unwrap();
        let (our_cue, their_cue) = cue::pair();
        std::thread::scope(|scope| {
            scope.spawn(move || theirs(self.accept(their_end), &their_cue));
            ours(self.connect(our_end), &our_cue);
            // Not before the scope ends: the other end may still want to tell something.
            our_cue
        });
    }

    fn in_a_child(&self, options: &Options, theirs: impl FnOnce(Channel, &Cue)) -> (Child, Channel, Cue) {
        let (our_end, their_end) = pair(options).unwrap();
        let (our_cue, their_cue) = cue::pair();
        let (mut our_end, mut our_cue) = (Some(our_end), Some(our_cue));
        let child = child::fork(|| {
            drop((our_end.take(), our_cue.take()));
            theirs(self.accept(their_end), &their_cue);
        });
        (child, self.connect(our_end.unwrap()), our_cue.unwrap())
    }
}
