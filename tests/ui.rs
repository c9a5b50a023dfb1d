//! What must not compile: each file of `tests/ui/` is such a program.
//!
//! A file is named for the rule that it breaks, and its first line lists the errors that a compiler must have for it, by their
//! codes. The words that a compiler finds for them are its own business: they change from one version to the next.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Set for the child process: the programs to compile.
const PROGRAMS: &str = "RINGWAY_TEST_PROGRAMS";

#[test]
fn misuse_does_not_compile() {
    if let Some(programs) = env::var_os(PROGRAMS) {
        return trybuild::TestCases::new().compile_fail(Path::new(&programs).join("*.rs"));
    }
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let _ = fs::remove_dir_all(&programs);
    fs::create_dir_all(&programs).unwrap();
    let names: Vec<_> = fs::read_dir("tests/ui").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    for name in &names {
        fs::copy(Path::new("tests/ui").join(name), programs.join(name)).unwrap();
    }
    // The child writes what the compiler says beside each program, and fails if there is nothing to say.
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "misuse_does_not_compile", "--nocapture"])
        .env(PROGRAMS, &programs)
        .env("TRYBUILD", "overwrite")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let program = programs.join(&name);
        let wanted = fs::read_to_string(&program).unwrap();
        let wanted: Vec<_> = wanted.lines().next().unwrap().trim_start_matches("// ").split(", ").collect();
        let said = fs::read_to_string(program.with_extension("stderr")).unwrap();
        let codes = said.lines().filter_map(|line| line.strip_prefix("error[")?.split(']').next());
        assert_eq!(codes.collect::<Vec<_>>(), wanted, "{name:?}:\n{said}");
    }
}
