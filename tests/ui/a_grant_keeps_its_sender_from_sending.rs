// E0499

use ringway::channel::Sender;

fn send(sender: &mut Sender) {
    let grant = sender.grant(8).unwrap();
    sender.send(b"before the grant is committed").unwrap();
    grant.commit().unwrap();
}

fn main() {
    let _ = send;
}
