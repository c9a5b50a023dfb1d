//! How a process learns that it was started as a worker.
//!
//! One variable of the environment names the two inherited sockets by number *and* inode, and the master by pid:
//! `RINGWAY_WORKER=1,<fd>:<inode>,<fd>:<inode>,<pid>` (format 1; control socket, data socket). The environment is
//! never changed, so every later process inherits the variable too. It is believed only by whom it was meant for:
//!
//! | the sockets | the parent | then the process is |
//! |---|---|---|
//! | are here | the master | the worker |
//! | are here | another | none, and told so: a child that got hold of them, or an orphan |
//! | are not here | the master, which set the death signal | the worker, whose sockets were closed: an error |
//! | are not here | any | none: a descendant of a worker |
//!
//! A death signal ([`process::parent_death_signal`]) is cleared by `fork` and kept by `exec`, so only a process that
//! the master itself forked has the one that the master set.

use super::error::FromEnvError;
use crate::sync::{AtomicU32, Ordering};
use crate::sys::inherit::{self, Adopted, Passed};
use crate::sys::pidfd::Signal;
use crate::sys::process;
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::OwnedFd;

/// The variable.
pub(crate) const VARIABLE: &str = "RINGWAY_WORKER";

/// The first field: another number is another format.
const FORMAT: &str = "1";

/// 1 once this process has taken its sockets. A process is one worker at most.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// What the variable says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    control: Passed,
    data: Passed,
    master: i32,
}

/// The two sockets of a worker.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Handshake, doorbells, and the hang-up.
    pub(crate) control: OwnedFd,
    /// Messages, if the link is a socket.
    pub(crate) data: OwnedFd,
}

/// What this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Worker,
    /// The worker, without its sockets.
    Robbed,
    /// It holds the sockets of another.
    Receiver,
    Stranger,
}

impl Mark {
    /// The mark of a worker that will inherit these sockets, control and data, from this process.
    pub(crate) fn new([control, data]: [Passed; 2]) -> Mark {
        Mark { control, data, master: process::id().as_raw_pid() }
    }

    fn parse(value: &str) -> Option<Mark> {
        let mut fields = value.split(',');
        if fields.next()? != FORMAT {
            return None;
        }
        let mark = Mark {
            control: Passed::parse(fields.next()?)?,
            data: Passed::parse(fields.next()?)?,
            master: fields.next()?.parse().ok()?,
        };
        // Only the one way of writing it is ours: no sign, no space, nothing after it.
        (mark.to_string() == value).then_some(mark)
    }

    /// The mark in the environment, if there is one.
    fn of_this_process() -> Result<Option<Mark>, FromEnvError> {
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let unknown = || FromEnvError::Mark { value: value.to_string_lossy().into_owned() };
        OsStr::to_str(&value).and_then(Mark::parse).map(Some).ok_or_else(unknown)
    }

    fn role(&self) -> Role {
        let here = self.control.is_here() && self.data.is_here();
        let child = process::parent().is_some_and(|parent| parent.as_raw_pid() == self.master);
        match (here, child) {
            (true, true) => Role::Worker,
            (true, false) => Role::Receiver,
            (false, true) if death_signal_is_set() => Role::Robbed,
            (false, _) => Role::Stranger,
        }
    }

    /// The process that started this worker.
    pub(crate) fn master(&self) -> i32 {
        self.master
    }
}

fn death_signal_is_set() -> bool {
    matches!(process::parent_death_signal(), Ok(Some(Signal::KILL)))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark { control, data, master } = self;
        write!(f, "{FORMAT},{control},{data},{master}")
    }
}

/// Takes the sockets of this process, if it is a worker. At most once.
pub(crate) fn take() -> Result<Option<(Mark, Sockets)>, FromEnvError> {
    let Some(mark) = Mark::of_this_process()? else { return Ok(None) };
    if TAKEN.load(Ordering::Relaxed) == 1 {
        return Err(FromEnvError::Taken);
    }
    match mark.role() {
        Role::Stranger => return Ok(None),
        Role::Receiver => return Err(FromEnvError::NotTheWorker),
        Role::Robbed => return Err(FromEnvError::SocketsClosed),
        Role::Worker => {}
    }
    // Of two threads that come this far, one gets the sockets.
    if TAKEN.swap(1, Ordering::Relaxed) == 1 {
        return Err(FromEnvError::Taken);
    }
    match inherit::adopt([mark.control, mark.data]) {
        Ok(Adopted::Both([control, data])) => Ok(Some((mark, Sockets { control, data }))),
        Ok(Adopted::Taken) => Err(FromEnvError::Taken),
        Ok(Adopted::Neither) => Err(FromEnvError::SocketsClosed),
        Err(errno) => Err(FromEnvError::Os { what: "its sockets", source: errno.into() }),
    }
}

/// Whether this process was started as a worker and has not taken its sockets. If it started a cluster, each of its
/// workers would do the same.
pub(crate) fn is_untaken() -> bool {
    let marked = matches!(Mark::of_this_process(), Ok(Some(mark)) if mark.role() != Role::Stranger);
    marked && TAKEN.load(Ordering::Relaxed) == 0
}

#[cfg(test)]
mod tests {
    use super::{Mark, Role, Sockets};
    use crate::sys::inherit::{Passed, describe};
    use crate::sys::{process, socket};
    use proptest::prelude::*;

    fn sockets() -> Sockets {
        let (control, _) = socket::pair().unwrap();
        let (data, _) = socket::pair().unwrap();
        Sockets { control, data }
    }

    fn mark(sockets: &Sockets) -> Mark {
        Mark::new([describe(&sockets.control).unwrap(), describe(&sockets.data).unwrap()])
    }

    #[test]
    fn a_mark_is_written_and_read() {
        let mark = Mark {
            control: Passed { fd: 3, inode: 77 },
            data: Passed { fd: 4, inode: u64::MAX },
            master: 12,
        };
        assert_eq!(mark.to_string(), "1,3:77,4:18446744073709551615,12");
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
    }

    #[test]
    fn nothing_else_is_a_mark() {
        let bad = [
            "",
            "1",
            "1,3:77,4:78",
            "2,3:77,4:78,12",
            "1,3:77,4:78,12,",
            "1,3:77,4:78,12,9",
            "1, 3:77,4:78,12",
            "1,+3:77,4:78,12",
            "1,03:77,4:78,12",
            "1,3:77,4:-1,12",
            "1,3:77,4:18446744073709551616,12",
            "1,3,4:78,12",
            "yes",
        ];
        for value in bad {
            assert_eq!(Mark::parse(value), None, "{value:?}");
        }
    }

    #[test]
    fn sockets_alone_do_not_make_a_worker() {
        let sockets = sockets();
        let mark = mark(&sockets);
        assert_eq!(mark.role(), Role::Receiver, "its master is this process, not the parent");
        let parent = process::parent().unwrap().as_raw_pid();
        let child_mark = Mark { master: parent, ..mark };
        assert_eq!(child_mark.role(), Role::Worker);
        drop(sockets);
        assert_eq!(mark.role(), Role::Stranger);
        assert_eq!(child_mark.role(), Role::Stranger, "no death signal is set here");
    }

    #[test]
    fn one_socket_of_two_is_not_enough() {
        let sockets = sockets();
        let mark = mark(&sockets);
        drop(sockets.data);
        assert_eq!(mark.role(), Role::Stranger);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_stumble(value in "[0-9:,+ a-]{0,40}|.{0,20}") {
            if let Some(mark) = Mark::parse(&value) {
                prop_assert_eq!(mark.to_string(), value);
            }
        }

        #[test]
        fn every_mark_is_read_back(fd: i32, inode: u64, fd2: i32, inode2: u64, master: i32) {
            let mark = Mark { control: Passed { fd, inode }, data: Passed { fd: fd2, inode: inode2 }, master };
            prop_assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }
    }
}
