//! The first example of the README: four workers that echo.

use ringway::{Cluster, Event, Worker};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(worker) = Worker::from_env()? {
        while let Some(message) = worker.recv()? {
            worker.send(message.as_ref())?;
        }
        return Ok(());
    }
    let cluster = Cluster::builder().workers(4).start()?;
    let mut left = 0;
    for id in cluster.ids() {
        cluster.send(id, b"hello")?;
        left += 1;
    }
    while let Some(event) = cluster.next_event()? {
        if let Event::Message { from, message } = event {
            println!("{from}: {message:?}");
            left -= 1;
            if left == 0 {
                cluster.stop(Duration::from_secs(5))?;
            }
        }
    }
    Ok(())
}
