// E0308

use ringway::channel::Receiver;

fn copy(receiver: &Receiver) -> Receiver {
    receiver.clone()
}

fn main() {
    let _ = copy;
}
