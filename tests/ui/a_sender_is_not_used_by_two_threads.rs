// E0499

use ringway::channel::Sender;

fn send(sender: &mut Sender) {
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(b"one"));
        scope.spawn(|| sender.send(b"another"));
    });
}

fn main() {
    let _ = send;
}
