//! Bar charts as SVG, in colours that can be read on a light page and on a dark one.

use std::fmt::Write as _;

use super::stats::Summary;

/// Bars on one logarithmic axis.
#[derive(Debug)]
pub struct Plot {
    pub title: String,
    /// What one must know to read it.
    pub note: String,
    /// How to write a value with its unit.
    pub unit: fn(f64) -> String,
    pub groups: Vec<Group>,
}

/// Bars under a common heading.
#[derive(Debug)]
pub struct Group {
    pub label: String,
    pub bars: Vec<Bar>,
}

/// One bar: its length is the median, a thin line across its end is the spread.
#[derive(Debug)]
pub struct Bar {
    pub label: String,
    pub value: Summary,
    pub kind: Kind,
}

/// What a bar stands for, shown by its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Other,
    /// What no library can be: a limit or a measuring stick.
    Limit,
}

impl Kind {
    fn colour(self) -> &'static str {
        match self {
            Self::Ours => "#e8590c",
            Self::Other => "#4a90d9",
            Self::Limit => "#2f9e78",
        }
    }
}

const WIDTH: f64 = 800.0;
/// Where the bars begin, and how long they can be; labels lie before and values behind.
const LEFT: f64 = 230.0;
const SPAN: f64 = 470.0;
const TOP: f64 = 78.0;
const BAR: f64 = 20.0;
const HEADING: f64 = 26.0;
const TEXT: &str = "#768390";

impl Plot {
    /// The chart as a file.
    pub fn svg(&self) -> String {
        let scale = Scale::of(self.bars());
        let rows: f64 = self.groups.iter().map(|group| HEADING + BAR * group.bars.len() as f64).sum();
        let height = TOP + rows + 16.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{TEXT}\">\n\
             <title>{title}</title>\n\
             <text x=\"12\" y=\"24\" font-size=\"16\" font-weight=\"600\">{title}</text>\n\
             <text x=\"12\" y=\"44\">{note}</text>\n",
            title = self.title,
            note = self.note
        );
        self.draw_axis(&mut svg, scale, TOP + rows);
        let mut y = TOP;
        for group in &self.groups {
            text(&mut svg, 12.0, y + 18.0, " font-weight=\"600\"", &group.label);
            y += HEADING;
            for bar in &group.bars {
                self.draw_bar(&mut svg, scale, y, bar);
                y += BAR;
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn bars(&self) -> impl Iterator<Item = &Bar> {
        self.groups.iter().flat_map(|group| &group.bars)
    }

    /// A line and a label at each power of ten.
    fn draw_axis(&self, svg: &mut String, scale: Scale, bottom: f64) {
        for decade in scale.from..=scale.to {
            let value = 10f64.powi(decade);
            let x = LEFT + scale.length(value);
            line(svg, (x, TOP - 6.0), (x, bottom), "stroke-opacity=\"0.35\"");
            let label = (self.unit)(value).replace(".00 ", " ").replace(".0 ", " ");
            text(svg, x, TOP - 12.0, " text-anchor=\"middle\"", &label);
        }
    }

    fn draw_bar(&self, svg: &mut String, scale: Scale, y: f64, bar: &Bar) {
        let (length, middle) = (scale.length(bar.value.median), y + BAR / 2.0);
        let weight = if bar.kind == Kind::Ours { " font-weight=\"600\"" } else { "" };
        text(svg, LEFT - 8.0, middle + 4.0, &format!(" text-anchor=\"end\"{weight}"), &bar.label);
        let _ = writeln!(
            svg,
            "<rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{}\"/>",
            y + 3.0,
            BAR - 6.0,
            bar.kind.colour()
        );
        let (low, high) = (LEFT + scale.length(bar.value.min), LEFT + scale.length(bar.value.max));
        line(svg, (low, middle), (high, middle), "stroke-width=\"1.5\"");
        let place = high.max(LEFT + length) + 6.0;
        text(svg, place, middle + 4.0, weight, &(self.unit)(bar.value.median));
    }
}

/// The powers of ten that the axis reaches from and to.
#[derive(Clone, Copy, Debug)]
struct Scale {
    from: i32,
    to: i32,
}

impl Scale {
    fn of<'a>(bars: impl Iterator<Item = &'a Bar>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, 0f64);
        for bar in bars {
            low = low.min(bar.value.min);
            high = high.max(bar.value.max);
        }
        if low > high {
            return Self { from: 0, to: 1 };
        }
        // Just below its smallest value, a logarithmic axis would make a bar vanish.
        let from = (low / 1.5).log10().floor() as i32;
        Self { from, to: (high.log10().ceil() as i32).max(from + 1) }
    }

    fn length(self, value: f64) -> f64 {
        (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from) * SPAN
    }
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\"{attributes}>{content}</text>");
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), attributes: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{TEXT}\" {attributes}/>",
        from.0, from.1, to.0, to.1
    );
}
