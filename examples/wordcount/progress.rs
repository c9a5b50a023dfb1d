//! What goes to stderr: messages, and on a terminal one line that shows how far the work is.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line is drawn at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How many bytes go by between two looks at the clock.
const STEP: u64 = 256 << 10;

/// The progress line. It is cleared when a message comes, at [`Progress::clear`] and on drop.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    drawn: Option<Instant>,
    label: String,
    total: u64,
    done: u64,
    next_look: u64,
}

impl Progress {
    pub fn on_stderr() -> Self {
        let terminal = io::stderr().is_terminal();
        Self { terminal, drawn: None, label: String::new(), total: 0, done: 0, next_look: 0 }
    }

    /// Begins something new; a total of 0 means that it is not known.
    pub fn begin(&mut self, label: &str, total: u64) {
        self.clear();
        self.label = label.into();
        (self.total, self.done, self.next_look) = (total, 0, 0);
    }

    /// So many bytes more are done. Cheap enough for the inner loop of a measurement.
    pub fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done >= self.next_look {
            self.next_look = self.done + STEP;
            self.draw();
        }
    }

    /// Prints a message on a line of its own. That stderr is closed must not stop the work.
    pub fn say(&mut self, message: impl fmt::Display) {
        self.clear();
        writeln!(io::stderr(), "wordcount: {message}").ok();
    }

    /// Takes the line off the terminal.
    pub fn clear(&mut self) {
        if self.drawn.take().is_some() {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }

    fn draw(&mut self) {
        if !self.terminal || self.drawn.is_some_and(|at| at.elapsed() < REDRAW) {
            return;
        }
        let (done, total) = (self.done >> 20, self.total >> 20);
        let of = if total > 0 { format!(" of {total}") } else { String::new() };
        write!(io::stderr(), "\r{}: {done}{of} MiB\x1b[K", self.label).ok();
        self.drawn = Some(Instant::now());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
