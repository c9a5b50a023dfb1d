//! Medians and spreads.

/// What several rounds gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Summary {
    /// Summarises the values, of which there is at least one.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        assert!(!values.is_empty(), "no rounds to summarise");
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Self { min: values[0], median, max: values[values.len() - 1] }
    }
}

/// The smallest value that so many per cent of all values do not exceed. The values are sorted and not empty.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    values[(values.len() * percent).div_ceil(100).max(1) - 1]
}

/// A duration in nanoseconds with its unit, in three digits or so.
pub fn time(nanoseconds: f64) -> String {
    scaled(nanoseconds, &["ns", "µs", "ms", "s"])
}

/// A rate per second with its unit.
pub fn rate(messages: f64) -> String {
    scaled(messages, &["/s", "k/s", "M/s", "G/s"])
}

/// A number of bytes, as people name sizes.
pub fn bytes(size: usize) -> String {
    match size {
        0..1024 => format!("{size} B"),
        0x10_0000.. if size % 0x10_0000 == 0 => format!("{} MiB", size >> 20),
        _ if size % 1024 == 0 => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

fn scaled(mut value: f64, units: &[&str]) -> String {
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    for next in units {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}
