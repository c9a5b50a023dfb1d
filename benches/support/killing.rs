//! A process that waits on a channel, and its peer, which is killed.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use ringway::channel::{Cause, Channel, Options, Pending, Receiver, RecvIntoError, SendError, Sender, pair};

use super::process::{self, Child, Forked};

/// How long anything may take before it counts as hung.
const WATCHDOG: Duration = Duration::from_secs(60);

/// What the survivor waits in.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// `recv_into`, with nothing to receive.
    Recv,
    /// `send`, with the ring full.
    Send,
}

/// What the survivor was told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// From just before the kill until the call returned.
    pub after: Duration,
    /// Whether the cause is the death; else a hang-up was seen, and the death was not told in time.
    pub died: bool,
}

/// Has a fresh process sleep in `call`, kills its peer, and says when and how it is told.
pub fn kill_peer(call: Call) -> io::Result<Told> {
    let clock = Instant::now();
    let (ours, theirs) = pair(&Options::new())?;
    let mut survivor = match process::fork()? {
        Forked::Parent(child) => child,
        Forked::Child(mut wire) => process::leave(|| {
            drop(theirs);
            survive(ours, call, clock, &mut wire);
        }),
    };
    drop(ours);
    let mut victim = match process::fork()? {
        Forked::Parent(child) => child,
        Forked::Child(mut wire) => process::leave(|| be_killed(theirs, &mut wire)),
    };
    for child in [&mut survivor, &mut victim] {
        child.wire.set_read_timeout(Some(WATCHDOG))?;
        child.wire.read_exact(&mut [0])?;
    }
    wait_until_asleep(&survivor)?;
    let killed = clock.elapsed();
    victim.kill()?;
    let mut report = [0; 9];
    survivor.wire.read_exact(&mut report)?;
    let [died, nanoseconds @ ..] = report;
    let returned = Duration::from_nanos(u64::from_le_bytes(nanoseconds));
    Ok(Told { after: returned.saturating_sub(killed), died: died != 0 })
}

/// Waits on the channel, and reports when it was told that nothing will come of it, and why.
fn survive(half: Pending, call: Call, clock: Instant, wire: &mut UnixStream) {
    let (mut sender, mut receiver) = connect(half).split();
    wire.write_all(&[0]).expect("the bench listens");
    let cause = match call {
        Call::Recv => end_of_recv(&mut receiver),
        Call::Send => end_of_send(&mut sender),
    };
    let returned = clock.elapsed().as_nanos() as u64;
    assert!(matches!(cause, Cause::Died | Cause::HungUp), "the peer was killed, and this was told: {cause}");
    wire.write_all(&[u8::from(cause == Cause::Died)]).expect("the bench listens");
    wire.write_all(&returned.to_le_bytes()).expect("the bench listens");
}

fn end_of_recv(receiver: &mut Receiver) -> Cause {
    match receiver.recv_into(&mut [0; 64]) {
        Err(RecvIntoError::Disconnected(cause)) => cause,
        other => panic!("nothing was sent, and this was received: {other:?}"),
    }
}

fn end_of_send(sender: &mut Sender) -> Cause {
    loop {
        match sender.send(&[0; 64]) {
            Ok(()) => {}
            Err(SendError::Disconnected(cause)) => return cause,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Holds the channel until the bench has gone.
fn be_killed(half: Pending, wire: &mut UnixStream) {
    let _channel = connect(half);
    wire.write_all(&[0]).expect("the bench listens");
    let _ = wire.read(&mut [0]);
}

fn connect(half: Pending) -> Channel {
    half.connect().expect("the other process connects too")
}

/// Returns once a child, which has nothing else to wait for, sleeps in its call.
fn wait_until_asleep(child: &Child) -> io::Result<()> {
    let deadline = Instant::now() + WATCHDOG;
    while !child.is_asleep()? {
        if Instant::now() > deadline {
            return Err(io::Error::other("the survivor does not sleep"));
        }
        yield_now();
    }
    Ok(())
}
