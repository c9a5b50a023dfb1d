//! What must not compile: each file of `tests/ui/` is such a program.
//!
//! A file is named for the rule that it breaks, and its first line has the code of the error that a compiler must have for it,
//! once or more often, and no other. The words that a compiler finds for them are its own business: they change from one version to the next.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

/// The compiler may take its time; it must come to an end.
const WATCHDOG: Duration = Duration::from_secs(300);

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
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let process = rustix::process::Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(WATCHDOG) else {
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        panic!("the compiler did not come to an end");
    };
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let program = programs.join(&name);
        let wanted = fs::read_to_string(&program).unwrap();
        let wanted = wanted.lines().next().unwrap().replace("// ", "error[") + "]";
        let said = fs::read_to_string(program.with_extension("stderr")).unwrap();
        let mut errors = said.lines().filter(|line| line.starts_with("error")).peekable();
        assert!(errors.peek().is_some() && errors.all(|line| line.starts_with(&wanted)), "{name:?}:\n{said}");
    }
}
