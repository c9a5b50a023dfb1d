// E0277

use ringway::channel::Sender;

fn look(sender: &Sender) {
    std::thread::scope(|scope| {
        scope.spawn(|| sender.max_message());
    });
}

fn main() {
    let _ = look;
}
