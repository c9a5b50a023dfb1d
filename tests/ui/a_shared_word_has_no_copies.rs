// E0308

use ringway::ring::lines::HeadLine;

fn copy(line: &HeadLine) -> HeadLine {
    line.clone()
}

fn main() {
    let _ = copy;
}
