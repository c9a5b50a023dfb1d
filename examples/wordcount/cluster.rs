//! Ringway: a cluster whose links are shared memory, or the sockets that it falls back to.

use crate::job::Tally;
use crate::transport::{Result, Transport};
use ringway::{Cluster, Event, ExitCause, LinkChoice, Worker, WorkerId};
use std::fmt::Display;
use std::time::Duration;

/// How long the workers may take to finish, once they are asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running cluster, and its workers in the order in which lines are dealt out.
#[derive(Debug)]
pub struct Ringway {
    cluster: Cluster,
    workers: Vec<WorkerId>,
}

/// Starts a cluster of this same program and waits until each worker is online.
pub fn start(workers: usize, link: LinkChoice) -> Result<Ringway> {
    let cluster = Cluster::builder().workers(workers).link(link).start()?;
    let mut online = 0;
    while online < workers {
        if let Event::Online { .. } = living(&cluster)? {
            online += 1;
        }
    }
    let workers = cluster.ids().into_iter().collect();
    Ok(Ringway { cluster, workers })
}

/// The next event, while no worker should leave.
fn living(cluster: &Cluster) -> Result<Event> {
    match cluster.next_event()? {
        Some(Event::Exited { id, cause, .. }) => Err(format!("worker {id} {cause}").into()),
        Some(event) => Ok(event),
        None => Err("all workers have gone".into()),
    }
}

impl Ringway {
    /// A worker is lost, as `first` shows: what became of it, once that is known.
    fn loss(&self, lost: WorkerId, first: &dyn Display) -> String {
        while let Ok(Some(event)) = self.cluster.next_event_timeout(STOP_LIMIT) {
            match event {
                Event::Exited { id, cause, .. } if id == lost => return format!("worker {id} {cause}"),
                _ => {}
            }
        }
        format!("worker {lost}: {first}")
    }
}

impl Transport for Ringway {
    fn workers(&self) -> usize {
        self.workers.len()
    }

    fn send(&mut self, worker: usize, message: &[u8]) -> Result<()> {
        let id = self.workers[worker];
        self.cluster.send(id, message).map_err(|error| self.loss(id, &error).into())
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        loop {
            match living(&self.cluster)? {
                Event::Message { message, .. } => return Ok(message.into_vec()),
                Event::Disconnected { id, reason } => return Err(self.loss(id, &reason).into()),
                _ => {}
            }
        }
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.cluster.stop(STOP_LIMIT)?;
        while let Some(event) = self.cluster.next_event()? {
            match event {
                Event::Exited { cause: ExitCause::Code(0), .. } => {}
                Event::Exited { id, cause, .. } => return Err(format!("worker {id} {cause}").into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A worker's whole life, until the master asks it to finish.
pub fn serve(worker: &Worker) -> Result<()> {
    let mut tally = Tally::new();
    while let Some(message) = worker.recv()? {
        for answer in tally.take(&message) {
            worker.send(&answer)?;
        }
    }
    Ok(())
}
