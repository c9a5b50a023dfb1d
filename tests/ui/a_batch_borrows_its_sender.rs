// E0505

use ringway::channel::Sender;

fn send(mut sender: Sender) {
    let batch = sender.batch();
    drop(sender);
    batch.commit().unwrap();
}

fn main() {
    let _ = send;
}
