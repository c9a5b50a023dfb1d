// E0308, E0308

use ringway::channel::{Receiver, Sender};

fn copies(sender: &Sender, receiver: &Receiver) -> (Sender, Receiver) {
    (sender.clone(), receiver.clone())
}

fn main() {
    let _ = copies;
}
