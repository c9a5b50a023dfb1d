//! The constants of a source file, found in its text.

use super::expression::{Value, evaluate};

/// `const NAME: TYPE = EXPRESSION;`, on one line.
#[derive(Debug, PartialEq)]
pub struct Constant<'a> {
    pub name: &'a str,
    pub of: &'a str,
    pub expression: &'a str,
}

/// The constants of a file, those of its test module not counted.
pub fn constants(text: &str) -> Vec<Constant<'_>> {
    let ships = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    ships.lines().filter_map(|line| constant(line.trim())).collect()
}

fn constant(line: &str) -> Option<Constant<'_>> {
    let visibility = ["pub const ", "pub(crate) const ", "pub(super) const ", "const "];
    let rest = visibility.iter().find_map(|prefix| line.strip_prefix(prefix))?;
    let (name, rest) = rest.split_once(": ")?;
    let (of, expression) = rest.split_once(" = ")?;
    let is_name =
        name != "_" && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    Some(Constant { name, of, expression: expression.strip_suffix(';')? }).filter(|_| is_name)
}

/// What `NAME`, `Type::NAME` or `Type::function` stands for: a value, or the function's first line.
pub fn meaning(text: &str, place: &str) -> Option<Result<Value, String>> {
    let name = place.rsplit("::").next().unwrap_or(place);
    let expression = if name.starts_with(|c: char| c.is_ascii_uppercase()) {
        constants(text).into_iter().find(|constant| constant.name == name)?.expression
    } else {
        let body = text.split_once(&format!("fn {name}("))?.1.split_once("{\n")?.1;
        body.lines().next()?.trim()
    };
    let named = |name: &str| meaning(text, name).and_then(Result::ok);
    Some(evaluate(expression, &named).ok_or_else(|| expression.replace("self.", "")))
}

#[test]
fn constants_and_functions_are_found_by_their_names() {
    let text = "pub const MAX_MESSAGE: u64 = 64 << 20;\nconst WORD: usize = 8;\n    pub const MIN: Self = Self(1 << 12);\n\
                const MAX_PAYLOAD: usize = MAX_MESSAGE - WORD;\nconst _: () = assert!(true);\n\
                fn quarter(self) -> u64 {\n    self.capacity / 4\n}\n\
                #[cfg(test)]\nmod tests {\n    const MAX_TEST: u64 = 1;\n}\n";
    let names: Vec<_> = constants(text).iter().map(|constant| constant.name).collect();
    assert_eq!(names, ["MAX_MESSAGE", "WORD", "MIN", "MAX_PAYLOAD"]);
    assert_eq!(meaning(text, "Capacity::MIN"), Some(Ok(Value::Number(4096))));
    assert_eq!(meaning(text, "MAX_PAYLOAD"), Some(Ok(Value::Number((64 << 20) - 8))));
    assert_eq!(meaning(text, "Geometry::quarter"), Some(Err("capacity / 4".into())));
    assert_eq!(meaning(text, "MAX_TEST"), None);
}
