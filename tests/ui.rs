//! What must not compile: each file of `tests/ui/` is such a program, beside it stands what the compiler says.
//!
//! A file is named for the rule that it breaks. `TRYBUILD=overwrite cargo test --test ui` writes the answers anew.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
