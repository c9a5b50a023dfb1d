// E0382

use ringway::channel::Sender;

fn close(mut sender: Sender) {
    sender.close();
    sender.send(b"after the close").unwrap();
}

fn main() {
    let _ = close;
}
