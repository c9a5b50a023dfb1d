//! Descriptors and memory that the system does not give: a channel says so, or does without, and leaves nothing.

#[path = "support/mod.rs"]
mod support;

use ringway::channel::error::{Cause, SendError, TrySendError};
use ringway::channel::{Channel, ConnectError, LinkChoice, Options, pair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use support::child::{self, Exit};
use support::held::{after_first_link, comes_to, descriptors};
use support::raw;

type Ends = (Result<Channel, ConnectError>, Result<Channel, ConnectError>);

fn connect(options: &Options) -> io::Result<Ends> {
    let (ours, theirs) = pair(options)?;
    let theirs = std::thread::spawn(|| theirs.connect());
    Ok((ours.connect(), theirs.join().unwrap()))
}

fn talk(ours: &Channel, theirs: &Channel) {
    for message in [&b"hello"[..], &[1; 30_000]] {
        ours.send(message).unwrap();
        assert_eq!(&*theirs.recv().unwrap(), message);
    }
}

/// What becomes of `body` while this process may have no more of `resource`.
fn limited<T>(resource: Resource, current: u64, body: impl FnOnce() -> T) -> T {
    let unlimited = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(current), ..unlimited }).unwrap();
    let done = body();
    setrlimit(resource, unlimited).unwrap();
    done
}

#[test]
fn a_channel_without_messages_is_refused_before_it_is_made() {
    let error = pair(&Options::new().max_message(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "max_message is 0, it must be 1 byte or more");
}

/// How far the limit is raised, one by one; the last ones suffice for shared memory.
const LIMITS: u64 = 24;

#[test]
fn a_channel_for_which_there_are_no_descriptors_says_so_and_leaves_nothing() {
    alone!(|| {
        let options = Options::new().capacity(64 << 10).unwrap();
        let before = after_first_link(&options);
        // Not connected, over a socket (both ends are short of descriptors, so it is the rarest), over shared memory.
        let mut seen = [0; 3];
        for more in 0..LIMITS {
            let (ended, why) =
                match limited(Resource::Nofile, before.len() as u64 + more, || connect(&options)) {
                    Err(error) => (0, error.to_string()),
                    Ok((Ok(ours), Ok(theirs))) => {
                        talk(&ours, &theirs);
                        let fallback = ours.about().fallback.map(|fallback| fallback.to_string());
                        (if fallback.is_some() { 1 } else { 2 }, fallback.unwrap_or_default())
                    }
                    Ok(ends) => {
                        let errors = [ends.0.err(), ends.1.err()].into_iter().flatten();
                        (0, errors.map(|error| error.to_string()).collect())
                    }
                };
            let told = ["EMFILE", "os error 24", "RLIMIT_NOFILE"].iter().any(|word| why.contains(word));
            assert!(ended == 2 || told, "{more}: {why}");
            comes_to(&before, descriptors, &format!("{more} more"));
            seen[ended] += 1;
        }
        assert!(seen[0] > 0 && seen[2] > 0, "{seen:?}");
    });
}

/// What became of a process that may open so many more descriptors.
const NOT_CONNECTED: Exit = Exit::Code(2);
const WATCHED: Exit = Exit::Code(3);
const LOOKED: Exit = Exit::Code(4);

/// Connects to a child over a socket, and if no watch thread could be had, has the child killed: the next send must know.
fn told_with(more: u64) -> Exit {
    let (ours, theirs) = pair(&Options::new().link(LinkChoice::Socket)).unwrap();
    let mut kept = Some(ours);
    let peer = child::fork(|| {
        drop(kept.take());
        let _channel = theirs.connect();
        raw::pause()
    });
    let open = descriptors().len() as u64;
    let Ok(channel) = limited(Resource::Nofile, open + more, || kept.unwrap().connect()) else {
        return NOT_CONNECTED;
    };
    if descriptors().contains(&"anon_inode:[eventpoll]".into()) {
        return WATCHED;
    }
    channel.send(b"not taken").unwrap();
    peer.kill();
    peer.wait();
    assert_eq!(channel.try_send(b"late"), Err(TrySendError::Disconnected(Cause::Died)));
    assert!(channel.salvage().unwrap().eq([b"not taken"]));
    LOOKED
}

#[test]
fn where_no_descriptor_is_left_for_a_watch_thread_each_send_looks() {
    alone!(|| {
        let fresh = |more| {
            let process = child::fork(|| match told_with(more) {
                Exit::Code(code) => raw::quit(code),
                signal => panic!("{signal:?}"),
            });
            process.wait()
        };
        let ends: Vec<Exit> = (0..LIMITS).map(fresh).collect();
        for end in [NOT_CONNECTED, LOOKED, WATCHED] {
            assert!(ends.contains(&end), "{ends:?}");
        }
        assert!(ends.iter().all(|end| [NOT_CONNECTED, LOOKED, WATCHED].contains(end)), "{ends:?}");
    });
}

fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().next().unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[test]
fn a_channel_for_which_there_is_no_address_space_is_a_socket_or_refused() {
    alone!(|| {
        let before = after_first_link(&Options::new());
        let options = Options::new().capacity(1 << 30).unwrap();
        let room = address_space() + (512 << 20);
        let (ours, theirs) = limited(Resource::As, room, || connect(&options)).unwrap();
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        assert_eq!(ours.about().fallback.unwrap().to_string(), "mmap: ENOMEM (offering end)");
        talk(&ours, &theirs);
        drop((ours, theirs));
        let ends = limited(Resource::As, room, || connect(&options.link(LinkChoice::Shm))).unwrap();
        for error in [ends.0.unwrap_err(), ends.1.unwrap_err()] {
            assert!(error.to_string().contains("mmap: ENOMEM"), "{error}");
        }
        comes_to(&before, descriptors, "descriptors");
    });
}

/// Memory that runs out while messages are sent is an error and no signal, and nothing is lost.
#[test]
fn a_send_for_which_there_is_no_memory_says_so_and_can_be_tried_again() {
    alone!(|| {
        let (ours, theirs) = connect(&Options::new().link(LinkChoice::Shm)).unwrap();
        let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
        let send = |number: u32| ours.send(&[&number.to_le_bytes()[..], &[7; 1000]].concat());
        // The filter is the thread's own, and ends with it.
        let poor = || {
            raw::deny(libc::SYS_madvise, libc::ENOMEM);
            let refused = (0..).find_map(|number| send(number).err().map(|error| (number, error)));
            refused.unwrap()
        };
        let (sent, error) = std::thread::scope(|scope| scope.spawn(poor).join().unwrap());
        assert!(matches!(error, SendError::NoSpace(_)), "{error}");
        assert!(sent < 1000, "the first lap had room for it all");
        send(sent).unwrap();
        for number in 0..=sent {
            assert_eq!(theirs.recv().unwrap()[..4], number.to_le_bytes());
        }
    });
}
