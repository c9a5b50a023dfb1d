//! **Question.** How do the library's channels compare with what one would use instead, with what the machine allows at
//! most, and with their own protocol bare?
//!
//! **Method.** Each subject at each size is one row. A round measures every row once, with fresh processes and fresh
//! memory: many runs of some 2 ms, of which the median counts, so that what else the machine does in a few of them
//! does not. The runs of rows that are compared with each other take turns, each after a shorter one that does not
//! count, so that what the machine does for longer than a turn of all of them falls on each. A row's value is the
//! median of its rounds; a ratio is taken in each round and then its median, with the lowest and the highest beside it. Cpu time
//! (`getrusage`) is that of both processes; *sleeps* counts how often they gave up their cpu for one message, and so
//! says whether a row was awake or asleep. For *round trip* and *one way* see the benches of these names; *asleep* is a
//! round trip in which each process computes for 100 µs before it sends, so that the other sleeps by then. That work
//! is taken off the times.
//!
//! The subjects: the *limits* (`support/limits.rs`) have no protocol at all; the *steps* (`support/ladder.rs`) lead from
//! the ping-pong to a ring, and so tell where a round trip's time goes; the *bare ring* (`support/bare_ring.rs`)
//! has the protocol and no library around it; the pipe has 1 MiB, one write a message, and reads of 64 KiB; *pipe,
//! polled* is the same pipe whose ends never sleep. *Ringway* is a channel with its defaults, which polls before it
//! sleeps; *parked* goes to sleep at once, and often finds on its way there that the answer has come;
//! *socket* is the channel where shared memory cannot be had.
//!
//! **Caveats.** The bounds beside the ratios are the project's aims on one kind of machine, two cores that share a
//! cache. They are printed, never enforced: the exit code says only whether all messages arrived. Through a pipe the
//! receiver always sleeps, so a ratio of an awake channel to a pipe is mostly the price of two wake-ups.
//!
//! ```text
//! cargo bench --bench ratios -- [--rounds N] [--svg DIR] [--quick] [FILTER]...
//! ```
//! `--rounds N`: 9 if not given, and at least 7. `--svg DIR`: write `latency.svg` and `throughput.svg` there.
//! `--quick`: each row once, with a handful of messages, and no plots (also what `cargo test --benches` runs).
//! `FILTER`: only rows whose name, such as `one way, 64 B, pipe`, contains one of the filters; a `$` at the end of one
//! stands for the end of the name.

#[allow(dead_code, reason = "each bench uses its part")]
mod support;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, error, fs, io};

use support::bare_ring::BareRing;
use support::cpus::processor;
use support::ladder::STEPS;
use support::limits::{HandOver, PingPong, Words};
use support::plot::{Bar, Group, Kind, Plot};
use support::raw_sync_event::{DIRECT, RINGER};
use support::ringway;
use support::rounds::{Effort, Measured, Row, measure};
use support::sleepers;
use support::stats::{Summary, bytes, rate, time};
use support::stream::{Pipe, PolledPipe};
use support::subjects::{ASLEEP, ONE_WAYS, ROUND_TRIPS, subjects};
use support::{Cpus, Shape, Start, measuring};

const ROUNDS: usize = 9;
const ROUNDS_MIN: usize = 7;
/// How many runs a round of a row has, and how long each is.
const RUNS: usize = 64;
const RUN: Duration = Duration::from_millis(2);

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("ratios: {why}\nusage: ratios [--rounds N] [--svg DIR] [--quick] [FILTER]...");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratios: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn error::Error>> {
    let cpus = Cpus::choose()?;
    let effort = match options.quick {
        true => Effort { rounds: 1, runs: 1, run: None },
        false => Effort { rounds: options.rounds, runs: RUNS, run: Some(RUN) },
    };
    println!("{}; {cpus}; {} rounds", processor(), effort.rounds);
    let rows: Vec<Row> = rows()
        .into_iter()
        .filter(|row| options.selects(row) && (options.quick || cpus.two() || !row.subject.spins()))
        .collect();
    let measured = measure(&rows, effort, cpus)?;
    for shape in [Shape::RoundTrip, Shape::Asleep, Shape::OneWay] {
        print_rows(&measured, shape);
    }
    print_ratios(&measured);
    match &options.svg {
        Some(directory) if !options.quick => write_plots(&measured, directory)?,
        _ => {}
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Options {
    rounds: usize,
    svg: Option<PathBuf>,
    quick: bool,
    filters: Vec<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { rounds: ROUNDS, quick: !measuring(), ..Self::default() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" | "--test" => {}
                "--quick" => options.quick = true,
                "--rounds" => {
                    let rounds = arguments.next().and_then(|number| number.parse().ok());
                    let enough = rounds.filter(|&rounds| rounds >= ROUNDS_MIN);
                    options.rounds =
                        enough.ok_or(format!("--rounds wants a number, {ROUNDS_MIN} or more"))?;
                }
                "--svg" => options.svg = Some(arguments.next().ok_or("--svg wants a directory")?.into()),
                // The test harness's own options come along with `cargo test`; they mean nothing here.
                other if other.starts_with('-') && measuring() => {
                    return Err(format!("unknown option {other}"));
                }
                other if other.starts_with('-') => {}
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    fn selects(&self, row: &Row) -> bool {
        let name = name(row) + "$";
        self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter))
    }
}

fn name(row: &Row) -> String {
    format!("{}, {}, {}", row.shape.name(), bytes(row.size), row.subject.name())
}

/// Every row, in the order of the tables.
fn rows() -> Vec<Row> {
    let shapes =
        [(Shape::RoundTrip, &ROUND_TRIPS[..]), (Shape::Asleep, &ASLEEP[..]), (Shape::OneWay, &ONE_WAYS[..])];
    let cells = shapes.into_iter().flat_map(|(shape, sizes)| sizes.iter().map(move |&size| (shape, size)));
    cells
        .flat_map(|(shape, size)| {
            subjects(shape, size).into_iter().map(move |subject| Row { subject, shape, size })
        })
        .collect()
}

fn unit(shape: Shape) -> fn(f64) -> String {
    match shape {
        Shape::RoundTrip | Shape::Asleep => time,
        Shape::OneWay => rate,
    }
}

fn print_rows(measured: &[Measured], shape: Shape) {
    println!(
        "\n{:<10}{:<52}{:>12}{:>12}{:>12}{:>12}{:>14}{:>10}",
        shape.name(),
        "",
        "median",
        "lowest",
        "highest",
        "bytes",
        "cpu/message",
        "sleeps"
    );
    for of in measured.iter().filter(|of| of.row.shape == shape) {
        let value = Summary::of(of.values());
        let unit = unit(shape);
        let moved = match shape {
            Shape::RoundTrip | Shape::Asleep => "–".to_owned(),
            Shape::OneWay => format!("{:.2} GB/s", value.median * of.row.size as f64 / 1e9),
        };
        println!(
            "{:>8}  {:<52}{:>12}{:>12}{:>12}{:>12}{:>14}{:>10.2}",
            bytes(of.row.size),
            of.row.subject.name(),
            unit(value.median),
            unit(value.min),
            unit(value.max),
            moved,
            time(of.cpu().median),
            of.sleeps().median
        );
    }
}

/// What is wanted of a ratio.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// Nothing: it is there to be compared.
    Nothing,
}

/// A comparison of two rows, by size and name: the value of the first divided by that of the second.
struct Ratio {
    question: String,
    shape: Shape,
    first: (usize, &'static str),
    second: (usize, &'static str),
    bound: Bound,
}

/// Every ratio that the project has an aim for, or that shows what such an aim is worth.
fn ratios() -> Vec<Ratio> {
    use Bound::{AtLeast, AtMost, Nothing};
    use Shape::{Asleep, OneWay, RoundTrip};
    let ratio = |shape: Shape, first: (usize, &'static str), second: (usize, &'static str), bound| {
        let question = format!("{}, {}: {} / {}", shape.name(), bytes(first.0), first.1, second.1);
        Ratio { question, shape, first, second, bound }
    };
    let (ours, parked) = (Start::name(&ringway::DEFAULT), Start::name(&ringway::PARKED));
    let (bare, pipe, polled) = (Start::name(&BareRing), Start::name(&Pipe), Start::name(&PolledPipe));
    let (ping_pong, hand_over, words) = (Start::name(&PingPong), Start::name(&HandOver), Start::name(&Words));
    let mut ratios = vec![
        ratio(RoundTrip, (48, ours), (8, ping_pong), AtMost(1.3)),
        ratio(RoundTrip, (48, bare), (8, ping_pong), Nothing),
        ratio(RoundTrip, (48, pipe), (48, ours), AtLeast(100.0)),
        ratio(RoundTrip, (48, pipe), (8, ping_pong), Nothing),
        ratio(RoundTrip, (48, polled), (48, ours), Nothing),
        ratio(OneWay, (8, ours), (8, pipe), AtLeast(40.0)),
        ratio(OneWay, (8, words), (8, pipe), Nothing),
        ratio(OneWay, (64, ours), (64, pipe), AtLeast(30.0)),
        ratio(OneWay, (64, words), (64, pipe), Nothing),
        ratio(OneWay, (64 << 10, ours), (64 << 10, hand_over), AtLeast(0.9)),
    ];
    let steps = STEPS.iter().map(|step| step.name());
    ratios.extend(steps.map(|step| ratio(RoundTrip, (48, step), (8, ping_pong), Nothing)));
    ratios.extend(ROUND_TRIPS.map(|size| ratio(RoundTrip, (size, ours), (size, bare), AtMost(1.25))));
    ratios.extend(ONE_WAYS.map(|size| ratio(OneWay, (size, bare), (size, ours), AtMost(1.25))));
    ratios.extend(ROUND_TRIPS.map(|size| ratio(RoundTrip, (size, parked), (size, pipe), AtMost(1.1))));
    ratios.extend(
        [&sleepers::ONE, &sleepers::TWO]
            .map(|limit| ratio(Asleep, (8, Start::name(limit)), (8, pipe), Nothing)),
    );
    let slept = Start::name(&sleepers::BARRIER);
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, slept), (size, pipe), Nothing)));
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, parked), (size, slept), Nothing)));
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, ours), (size, pipe), AtMost(1.1))));
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, parked), (size, pipe), AtMost(1.1))));
    // Only with the feature `portable`: a row that is not there makes no ratio.
    let (portable, portable_parked) = ("Ringway, portable", "Ringway, portable, parked");
    ratios.extend(ROUND_TRIPS.map(|size| ratio(RoundTrip, (size, portable), (size, ours), Nothing)));
    ratios.extend(ONE_WAYS.map(|size| ratio(OneWay, (size, ours), (size, portable), Nothing)));
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, portable), (size, ours), Nothing)));
    ratios.extend(ASLEEP.map(|size| ratio(Asleep, (size, portable_parked), (size, parked), Nothing)));
    ratios.extend(
        [&DIRECT, &RINGER].map(|event| ratio(Asleep, (8, Start::name(event)), (8, portable_parked), Nothing)),
    );
    ratios
}

fn print_ratios(measured: &[Measured]) {
    println!("\n{:<84}{:>9}{:>9}{:>9}   wanted", "Ratio", "median", "lowest", "highest");
    for ratio in ratios() {
        let row = |(size, name): (usize, &str)| {
            measured.iter().find(|of| {
                of.row.shape == ratio.shape && of.row.size == size && of.row.subject.name() == name
            })
        };
        let (Some(first), Some(second)) = (row(ratio.first), row(ratio.second)) else { continue };
        let value = Summary::of(first.values().zip(second.values()).map(|(first, second)| first / second));
        let wanted = match ratio.bound {
            Bound::AtMost(bound) if value.median <= bound => format!("≤ {bound}"),
            Bound::AtMost(bound) => format!("≤ {bound}  missed"),
            Bound::AtLeast(bound) if value.median >= bound => format!("≥ {bound}"),
            Bound::AtLeast(bound) => format!("≥ {bound}  missed"),
            Bound::Nothing => "–".to_owned(),
        };
        println!(
            "{:<84}{:>9.2}{:>9.2}{:>9.2}   {wanted}",
            ratio.question, value.median, value.min, value.max
        );
    }
}

fn write_plots(measured: &[Measured], directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let cells = [8, 48, 1024, 64 << 10].map(|size| (Shape::RoundTrip, size));
    let cells: Vec<_> = cells.into_iter().chain([(Shape::Asleep, 8)]).collect();
    let latency = plot(measured, &cells, "Round trip between two processes: less is better");
    let cells = ONE_WAYS.map(|size| (Shape::OneWay, size));
    let throughput = plot(measured, &cells, "Messages a second from one process to another: more is better");
    for (name, plot) in [("latency.svg", latency), ("throughput.svg", throughput)] {
        let path = directory.join(name);
        fs::write(&path, plot.svg())?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// A chart of some shapes and sizes, whose values have the unit of the first.
fn plot(measured: &[Measured], cells: &[(Shape, usize)], title: &str) -> Plot {
    let rounds = measured.first().map_or(0, |of| of.runs.len());
    let group = |&(shape, size): &(Shape, usize)| Group {
        label: match shape {
            Shape::RoundTrip | Shape::OneWay => bytes(size),
            Shape::Asleep => format!("{}, the receiver asleep", bytes(size)),
        },
        bars: (measured.iter()).filter(|of| of.row.shape == shape && of.row.size == size).map(bar).collect(),
    };
    Plot {
        title: title.to_owned(),
        note: format!(
            "{}; two pinned processes; logarithmic; median of {rounds} rounds, thin line from lowest to highest",
            processor()
        ),
        unit: unit(cells[0].0),
        groups: cells.iter().map(group).filter(|group| !group.bars.is_empty()).collect(),
    }
}

fn bar(of: &Measured) -> Bar {
    let label = of.row.subject.name();
    let kind = match label {
        _ if label.starts_with(Start::name(&ringway::DEFAULT)) => Kind::Ours,
        _ if label == Start::name(&BareRing) || label.starts_with("limit") => Kind::Limit,
        _ => Kind::Other,
    };
    Bar { label: label.to_owned(), value: Summary::of(of.values()), kind }
}
