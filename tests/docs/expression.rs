//! The values of constant expressions, as far as limits need them.

use std::fmt;

/// What a limit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Bytes, or how many.
    Number(u128),
    /// In nanoseconds.
    Time(u128),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Time(nanos) => write!(f, "{nanos} ns"),
        }
    }
}

/// What a person writes: `64 MiB`, `50 µs`, `65535`.
pub fn written(text: &str) -> Option<Value> {
    let (digits, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u128 = digits.parse().ok()?;
    Some(match unit {
        "" | "B" => Value::Number(number),
        "KiB" => Value::Number(number << 10),
        "MiB" => Value::Number(number << 20),
        "GiB" => Value::Number(number << 30),
        "µs" => Value::Time(number * 1_000),
        "ms" => Value::Time(number * 1_000_000),
        "s" => Value::Time(number * 1_000_000_000),
        "h" => Value::Time(number * 3_600_000_000_000),
        _ => return None,
    })
}

/// What the compiler makes of an expression of numbers, `+ - * / <<`, parentheses, `Self(…)`, `Duration::from_…(…)`
/// and names that `named` knows. All operators bind to the left and equally; where that is wrong there is no value.
pub fn evaluate(text: &str, named: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    let mut reader = Reader { rest: text.trim(), named };
    let value = reader.sum()?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
    named: &'a dyn Fn(&str) -> Option<Value>,
}

impl Reader<'_> {
    fn sum(&mut self) -> Option<Value> {
        let mut left = self.term()?;
        let mut only = None;
        while let Some(operator) = ["<<", "*", "/", "+", "-"].into_iter().find(|sign| self.eat(sign)) {
            if *only.get_or_insert(operator) != operator {
                return None;
            }
            let (Value::Number(a), Value::Number(b)) = (left, self.term()?) else { return None };
            left = Value::Number(match operator {
                "<<" => a.checked_shl(b.try_into().ok()?)?,
                "*" => a.checked_mul(b)?,
                "/" => a.checked_div(b)?,
                "+" => a.checked_add(b)?,
                _ => a.checked_sub(b)?,
            });
        }
        Some(left)
    }

    fn term(&mut self) -> Option<Value> {
        if self.eat("(") {
            return self.inner();
        }
        let word = self.word();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.replace('_', "").parse().ok().map(Value::Number);
        }
        if !self.eat("(") {
            return (self.named)(&word);
        }
        let value = self.inner()?;
        let Value::Number(number) = value else { return None };
        match word.as_str() {
            "Self" => Some(value),
            "Duration::from_secs" => Some(Value::Time(number * 1_000_000_000)),
            "Duration::from_millis" => Some(Value::Time(number * 1_000_000)),
            "Duration::from_micros" => Some(Value::Time(number * 1_000)),
            _ => None,
        }
    }

    fn inner(&mut self) -> Option<Value> {
        let value = self.sum()?;
        self.eat(")").then_some(value)
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        word.to_owned()
    }

    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }
}

#[test]
fn expressions_have_the_values_that_the_compiler_gives_them() {
    let named = |name: &str| (name == "WORD").then_some(Value::Number(8));
    let value = |text: &str| evaluate(text, &named);
    for (text, number) in [
        ("64 << 20", 64 << 20),
        ("64 * 1024", 64 * 1024),
        ("65_535", 65_535),
        ("Self(1 << 12)", 4096),
        ("64 * 1024 * 2", 131_072),
        ("(64 * 1024) - WORD", 65_528),
    ] {
        assert_eq!(value(text), Some(Value::Number(number)), "{text}");
    }
    assert_eq!(value("Duration::from_secs(24 * 60 * 60)"), written("24 h"));
    assert_eq!(value("Duration::from_micros(50)"), written("50 µs"));
    for text in ["64 * 1024 - WORD", "self.capacity / 4", "OTHER", "1 +", "", "f(1)"] {
        assert_eq!(value(text), None, "{text}");
    }
}
