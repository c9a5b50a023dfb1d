//! Where a sender waits for space in the link to one worker.

use super::{Inbox, State, earlier};
use crate::cluster::error::SendError;
use crate::cluster::id::WorkerId;
use crate::cluster::lane::{Absorbed, Lane};
use crate::cluster::link_port::{Armed, ReceiveHalf};
use crate::sys::deadline;
use crate::wait::nap::Naps;
use std::time::Instant;

/// A sender's wait for space in the link to one worker.
#[derive(Debug)]
pub(crate) struct SpaceWait {
    /// The news of the worker that there were when the sender looked last.
    seen: u64,
    naps: Naps,
    /// It has waited before.
    waited: bool,
}

impl<R: ReceiveHalf> Inbox<R> {
    /// What a sender to this worker waits with; to be made before it looks for space.
    pub(crate) fn space_wait(&self, id: WorkerId) -> SpaceWait {
        let seen = self.lock().lanes.get(&id).map_or(0, |lane| lane.news);
        SpaceWait { seen, naps: Naps::new(), waited: false }
    }

    /// Waits until there is more news of this worker than the sender has seen, until the worker is out of reach, or
    /// until the deadline; not for long if the sender `armed` a doorbell that may fail to ring. Takes the worker's
    /// messages meanwhile, up to a bound. With [`Armed::Ready`] there is space: it only looks at the deadline.
    pub(crate) fn wait_for_space(
        &self,
        id: WorkerId,
        wait: &mut SpaceWait,
        armed: Armed,
        deadline: Option<Instant>,
    ) -> Result<(), SendError> {
        let late = std::mem::replace(&mut wait.waited, true) && deadline::passed(deadline);
        if armed == Armed::Ready {
            return if late { Err(SendError::TimedOut) } else { Ok(()) };
        }
        let mut state = self.lock();
        let absorbed = state.absorb(id, &self.epoll)?;
        self.wake(&state);
        let over = state.lanes.get(&id).is_none_or(Lane::is_over);
        let nap = match (absorbed, armed) {
            _ if over => return Err(SendError::Gone),
            (Absorbed::Full, _) => return Err(SendError::Full),
            _ if late => return Err(SendError::TimedOut),
            (Absorbed::More, _) => {
                self.look(&mut state);
                self.state.leave(state);
                return Ok(());
            }
            (Absorbed::All(Armed::Nap), _) | (_, Armed::Nap) => Some(wait.naps.next()),
            _ => None,
        };
        let until = earlier(deadline, nap);
        let seen = wait.seen;
        let heard =
            |state: &State<R>| state.lanes.get(&id).is_none_or(|lane| lane.news != seen || lane.is_over());
        state.want_space(id, true, &self.epoll).map_err(SendError::Os)?;
        let (mut state, in_time) = self.wait(state, until, heard).map_err(SendError::Os)?;
        // What is no longer watched for cannot fail.
        let _ = state.want_space(id, false, &self.epoll);
        match state.lanes.get(&id) {
            Some(lane) if lane.is_over() => Err(SendError::Gone),
            Some(lane) if in_time => {
                (wait.seen, wait.naps) = (lane.news, Naps::new());
                Ok(())
            }
            Some(_) if until != deadline => Ok(()),
            Some(_) => Err(SendError::TimedOut),
            None => Err(SendError::Gone),
        }
    }
}
