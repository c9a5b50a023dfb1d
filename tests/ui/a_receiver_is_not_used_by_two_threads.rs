// E0596

use ringway::channel::Receiver;

fn receive(receiver: &Receiver) {
    std::thread::scope(|scope| {
        scope.spawn(|| receiver.recv());
    });
}

fn main() {
    let _ = receive;
}
