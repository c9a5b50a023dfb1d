// E0308

use ringway::channel::Grant;

fn read<'a>(grant: &'a Grant<'_>) -> &'a [u8] {
    grant
}

fn main() {
    let _ = read;
}
