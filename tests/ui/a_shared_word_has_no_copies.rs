// E0599

fn main() {
    let line = ringway::ring::lines::HeadLine::new();
    let copy = line.clone();
    drop((line, copy));
}
