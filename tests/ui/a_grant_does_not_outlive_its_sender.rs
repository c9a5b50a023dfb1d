// E0515

use ringway::channel::{Grant, Options, pair};

fn grant() -> Grant<'static> {
    let (ours, _theirs) = pair(&Options::new()).unwrap();
    let (mut sender, _receiver) = ours.connect().unwrap().split();
    sender.grant(8).unwrap()
}

fn main() {
    grant().commit().unwrap();
}
