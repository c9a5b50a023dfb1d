// E0308

use ringway::channel::Sender;

fn copy(sender: &Sender) -> Sender {
    sender.clone()
}

fn main() {
    let _ = copy;
}
