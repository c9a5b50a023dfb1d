// E0499

use ringway::channel::TrustedReceiver;

fn read(receiver: &mut TrustedReceiver) -> usize {
    let bytes: &[u8] = &receiver.read().unwrap();
    receiver.read().unwrap();
    bytes.len()
}

fn main() {
    let _ = read;
}
