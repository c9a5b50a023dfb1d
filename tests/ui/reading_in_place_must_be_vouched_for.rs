// E0133

use ringway::channel::Receiver;

fn read(receiver: Receiver) -> usize {
    receiver.assume_trusted_peer().read().unwrap().len()
}

fn main() {
    let _ = read;
}
