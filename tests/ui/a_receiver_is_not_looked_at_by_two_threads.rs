// E0277

use ringway::channel::Receiver;

fn share(receiver: &Receiver) {
    std::thread::scope(|scope| {
        scope.spawn(|| drop(receiver));
    });
}

fn main() {
    let _ = share;
}
