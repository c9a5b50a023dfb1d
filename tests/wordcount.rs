//! The example `wordcount`, run as a user runs it, and its counting against a naive one.

use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{self, OpenptFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

#[path = "../examples/wordcount/answer.rs"]
#[allow(dead_code, reason = "the example uses the rest")]
mod answer;
#[path = "../examples/wordcount/count.rs"]
#[allow(dead_code, reason = "the example uses the rest")]
mod count;
#[path = "../examples/wordcount/cpu.rs"]
#[allow(dead_code, reason = "the example uses the rest")]
mod cpu;

const TRANSPORTS: [&str; 4] =
    ["shared memory (Ringway)", "fallback socket (Ringway)", "Unix stream socket (plain)", "pipe (plain)"];
const WATCHDOG: Duration = Duration::from_secs(120);

// --- The program ---

/// A directory of this test, removed when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wordcount-{}-{test}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file, with the directories that lead to it.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The example, which `cargo test` has built beside this test.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples/wordcount");
    assert!(example.exists(), "{example:?} is not there: `cargo build --example wordcount` makes it");
    example
}

/// Runs the example.
fn wordcount<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Output {
    wordcount_to(Stdio::piped(), args)
}

/// The same, with messages and progress going to `stderr`.
fn wordcount_to<A: AsRef<OsStr>>(stderr: Stdio, args: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(example());
    command.args(args).stderr(stderr);
    run(command)
}

/// Runs it to its end.
fn run(mut command: Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    finish(command.spawn().unwrap())
}

/// Waits for its end, but not for ever.
fn finish(child: Child) -> Output {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    ended.recv_timeout(WATCHDOG).map_or_else(
        |_| {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            panic!("it did not end");
        },
        Result::unwrap,
    )
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The words printed with their counts: lines of an indented number, two spaces, the word.
fn printed_counts(output: &Output) -> BTreeMap<String, u64> {
    let lines = stdout(output).lines().skip(2).take_while(|line| line.starts_with(' '));
    let counts = lines.map(|line| {
        let (number, word) = line.trim_start().split_once("  ").unwrap();
        (word.to_owned(), number.replace(' ', "").parse().unwrap())
    });
    counts.collect()
}

fn counts<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.into_iter().map(|(word, count)| (word.to_owned(), count)).collect()
}

#[test]
fn a_directory_is_walked_and_what_cannot_be_counted_is_named() {
    let dir = Dir::new("walk");
    let text = dir.write("a.txt", "one two two\nthree three three\n");
    dir.write("sub/no line end", "two\u{a0}three\u{3000}four\r\n\r\n\nfour");
    dir.write("sub/not utf-8", b"caf\xe9 caf\xe9 \xff\xfe\x1b[31m\n");
    dir.write("sub/empty", "");
    dir.write("sub/target", "file");
    dir.write(".hidden", "hidden");
    dir.write(".git/config", "hidden");
    dir.write("target/debug/out", "built");
    symlink(&text, dir.0.join("link")).unwrap();
    symlink(&dir.0, dir.0.join("sub/round")).unwrap();
    let padding = " ".repeat((8 << 10) - 1);
    dir.write("binary", format!("{padding}\0"));
    dir.write("late NUL", format!("{padding} \0"));
    let _socket = UnixListener::bind(dir.0.join("socket")).unwrap();

    let output = wordcount([dir.0.as_os_str(), "--mib=1".as_ref(), "--top".as_ref(), "100".as_ref()]);

    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let expected = [("one", 1), ("two", 3), ("three", 4), ("four", 2), ("file", 1), ("\\0", 1)];
    let mut expected = counts(expected);
    expected.extend(counts([("caf\\xe9", 2), ("\\xff\\xfe\\u{1b}[31m", 1)]));
    assert_eq!(printed_counts(&output), expected);
    assert!(stdout(&output).starts_with("Files: 6, lines: 9, "), "{output:?}");
    let left_out: Vec<_> = stderr(&output).lines().collect();
    let named = |name: &str, why: &str| format!("wordcount: left out {}: {why}", dir.0.join(name).display());
    let expected = [
        named("socket", "neither a regular file nor a directory"),
        named("binary", "binary (a NUL in its first 8 KiB)"),
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn binary_files_of_one_directory_are_named_on_one_line() {
    let dir = Dir::new("binaries");
    for name in ["a", "sub/one", "sub/other", "z"] {
        dir.write(name, "\0");
    }
    dir.write("sub/text", "text\n");
    let output = wordcount([dir.0.as_os_str(), "--mib=0".as_ref()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let binary = "binary (a NUL in its first 8 KiB)";
    let root = dir.0.display();
    let expected = [
        format!("wordcount: left out {root}/a: {binary}"),
        format!("wordcount: left out {root}/sub: 2 files, {binary}: one, other"),
        format!("wordcount: left out {root}/z: {binary}"),
    ];
    assert_eq!(stderr(&output).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_directory_without_files_and_an_empty_name_are_named() {
    let dir = Dir::new("nothing");
    dir.write(".hidden", "hidden");
    let output = wordcount([dir.0.as_os_str(), "".as_ref()]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let directory = dir.0.display();
    assert!(stderr(&output).contains(&format!("left out {directory}: it has no file")), "{output:?}");
    assert!(stderr(&output).contains("left out \"\": No such file"), "{output:?}");
}

#[test]
fn a_worker_that_is_killed_ends_the_job_with_its_signal() {
    let dir = Dir::new("killed");
    let text = dir.write("text", "to be or not to be\n".repeat(1_000_000));
    let mut command = Command::new(example());
    command.args([text.as_os_str(), "--mib=0".as_ref()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let threads = PathBuf::from(format!("/proc/{}/task", child.id()));
    // One that counts: it has used the processor for some hundredths of a second.
    let counts = |pid: &&str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.split_whitespace().nth(13).is_some_and(|ticks| ticks.parse().unwrap_or(0) >= 5)
    };
    let begin = Instant::now();
    let worker = loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was disturbed");
        assert!(begin.elapsed() < WATCHDOG, "no worker counts");
        let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
        let pids: String = fs::read_dir(&threads).unwrap().flatten().filter_map(children).collect();
        if let Some(pid) = pids.split_whitespace().find(counts) {
            break rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
        }
        thread::yield_now();
    };
    rustix::process::kill_process(worker, rustix::process::Signal::KILL).unwrap();
    let output = finish(child);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains(" ended by signal 9"), "{output:?}");
}

#[test]
fn each_transport_carries_the_repeated_input_and_the_start_up_is_told_apart() {
    let dir = Dir::new("table");
    let text = dir.write("text", "to be or not to be\n".repeat(1000));
    let output = wordcount([text.as_os_str(), "--mib=1".as_ref(), "--workers=3".as_ref()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (table, startups) = stdout(&output).split_once("\nStart-up").unwrap();
    assert!(table.contains("the input 56 times, 56 000 messages, 1.1 MB, to 3 workers"), "{output:?}");
    assert!(table.contains("\none process, no transport "), "{output:?}");
    for name in TRANSPORTS {
        let row = table.lines().find_map(|line| line.strip_prefix(name));
        assert!(row.is_some_and(|row| row.ends_with(" s")), "{name}: {output:?}");
        assert!(startups.lines().any(|line| line.starts_with(name) && line.ends_with(" ms")), "{output:?}");
    }
    assert_eq!(stderr(&output), "", "no progress where there is no terminal");
}

#[test]
fn progress_is_shown_on_a_terminal_and_taken_off_again() {
    let dir = Dir::new("terminal");
    let text = dir.write("text", "to be or not to be\n".repeat(1000));
    let ours = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    pty::grantpt(&ours).unwrap();
    pty::unlockpt(&ours).unwrap();
    let name = pty::ptsname(&ours, Vec::new()).unwrap();
    let terminal =
        rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let reader = thread::spawn(move || {
        let mut shown = Vec::new();
        // Once the last one who has the terminal open is gone, reading from it is an error.
        let _ = File::from(ours).read_to_end(&mut shown);
        String::from_utf8(shown).unwrap()
    });
    let output = wordcount_to(terminal.into(), [text.as_os_str(), "--mib=1".as_ref()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let shown = reader.join().unwrap();
    // Each drawing begins at the left and clears what was there; the last one leaves nothing.
    let lines: Vec<_> = shown.split('\r').collect();
    assert!(lines.iter().any(|line| line.ends_with(" of 1 MiB\x1b[K")), "{shown:?}");
    assert_eq!(lines.last(), Some(&"\x1b[K"), "{shown:?}");
}

#[test]
fn a_line_longer_than_a_message_is_counted_exactly() {
    let dir = Dir::new("long");
    let word = "x".repeat(1000);
    let (words, limit) = (17_500, 16 << 20);
    let line = format!("{word}\u{2003}").repeat(words);
    assert!(line.len() > limit, "one line, two messages");
    let text = dir.write("text", line);
    let output = wordcount([text.as_os_str(), "--mib=1".as_ref()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).starts_with("Files: 1, lines: 2, "), "{output:?}");
    let printed = format!("{}…", "x".repeat(200));
    assert_eq!(printed_counts(&output), counts([(printed.as_str(), words as u64)]));
}

#[test]
fn a_word_longer_than_a_message_is_named_and_the_rest_goes_on() {
    let dir = Dir::new("word");
    dir.write("text", "counted\n");
    dir.write("word", "x".repeat(16 << 20));
    let output = wordcount([dir.0.as_os_str(), "--mib=0".as_ref()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed_counts(&output), counts([("counted", 1)]));
    assert!(stderr(&output).contains("/word: it has a word of more than 16 MiB"), "{output:?}");
}

#[test]
fn the_status_is_zero_unless_nothing_could_be_read() {
    let dir = Dir::new("status");
    let text = dir.write("text", "counted\n");
    let (missing, none) = (dir.0.join("missing"), dir.0.join("none"));
    fs::create_dir(&none).unwrap();
    symlink("nowhere", dir.0.join("dangling")).unwrap();
    let unreadable = ["/proc/self/mem".as_ref(), missing.as_os_str(), "/dev/zero".as_ref()];

    let output = wordcount([&unreadable[..], &["--mib=0".as_ref(), text.as_os_str()]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed_counts(&output), counts([("counted", 1)]));
    for path in unreadable {
        assert!(stderr(&output).contains(&format!("left out {}: ", path.display())), "{output:?}");
    }

    let dangling = dir.0.join("dangling");
    for nothing in [&unreadable[..], &[none.as_os_str()], &[dangling.as_os_str()]] {
        let output = wordcount(nothing);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).ends_with("wordcount: nothing could be read\n"), "{output:?}");
        assert_eq!(stdout(&output), "");
    }
}

/// A user who owns nothing.
const NOBODY: u32 = 65534;

#[test]
fn a_file_without_permission_is_named_and_the_rest_goes_on() {
    let dir = Dir::new("permission");
    dir.write("text", "counted\n");
    let secret = dir.write("secret", "secret\n");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = Command::new(example());
    if rustix::process::geteuid().is_root() {
        // Root may read it all the same, and the example may lie where nobody else gets to.
        let copy = dir.0.join("target");
        fs::create_dir(&copy).unwrap();
        let copy = copy.join("wordcount");
        fs::copy(example(), &copy).unwrap();
        command = Command::new(copy);
        command.uid(NOBODY).gid(NOBODY);
    }
    command.arg(&dir.0).arg("--mib=0").stderr(Stdio::piped());
    let output = run(command);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed_counts(&output), counts([("counted", 1)]));
    assert!(stderr(&output).ends_with("/secret: Permission denied (os error 13)\n"), "{output:?}");
}

#[test]
fn a_named_link_is_followed_and_a_named_hidden_file_is_read() {
    let dir = Dir::new("named");
    let hidden = dir.write(".hidden", "hidden\n");
    let link = dir.0.join("link");
    symlink(dir.write("target/text", "linked\n"), &link).unwrap();
    let output = wordcount(["--mib=0".as_ref(), "--".as_ref(), hidden.as_os_str(), link.as_os_str()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed_counts(&output), counts([("hidden", 1), ("linked", 1)]));
}

#[test]
fn an_empty_input_is_counted_but_not_timed() {
    let dir = Dir::new("empty");
    let output = wordcount([dir.write("empty", "")]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(printed_counts(&output), counts([]));
    assert!(stdout(&output).ends_with("The input is empty: there is nothing to time.\n"), "{output:?}");
}

#[test]
fn a_bad_option_is_refused_before_anything_is_read() {
    for (args, complaint) in [
        (&["--wrkers=2"][..], "there is no option \"--wrkers=2\""),
        (&["-w"], "there is no option \"-w\""),
        (&["--workers"], "--workers needs a number"),
        (&["--workers", "0"], "--workers takes a number from 1 to 256, not \"0\""),
        (&["--top=many"], "--top takes a number from 0 to 1000000000, not \"many\""),
        (&["missing", "--mib", "-1"], "--mib takes a number from 0 to 1048576, not \"-1\""),
    ] {
        let output = wordcount(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).starts_with(&format!("wordcount: {complaint}")), "{output:?}");
        assert_eq!(stdout(&output), "");
    }
    let help = wordcount(["--help"]);
    assert_eq!((help.status.code(), stderr(&help)), (Some(0), ""));
    assert!(stdout(&help).contains("--workers N"));
}

// --- Its counting ---

/// The words by the letter of the definition: characters one by one, and bytes that are none.
fn naive_words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = vec![Vec::new()];
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_whitespace() {
                words.push(Vec::new());
            } else if let Some(word) = words.last_mut() {
                word.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        if let Some(word) = words.last_mut() {
            word.extend(chunk.invalid());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn every_character_is_a_space_exactly_if_the_standard_library_says_so() {
    for character in '\0'..=char::MAX {
        let text = format!("a{character}b");
        let words: Vec<_> = count::words(text.as_bytes()).collect();
        assert_eq!(words.len(), text.split_whitespace().count(), "{character:?}");
    }
}

/// Pieces of which texts are made that have all kinds of space, cut characters and bytes that are not UTF-8.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 14] = [
        b"a",
        b"bc",
        b" ",
        b"\n",
        b"\r\n",
        b"\xc2",
        b"\xc2\xa0",
        b"\xe2",
        b"\xe2\x80",
        b"\xe2\x80\x83",
        b"\xe3\x80\x80",
        b"\x80",
        b"\xff",
        "🦀".as_bytes(),
    ];
    vec(proptest::sample::select(pieces.to_vec()), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn words_are_those_of_the_naive_definition(text in text()) {
        let words: Vec<_> = count::words(&text).collect();
        prop_assert_eq!(words, naive_words(&text));
    }

    #[test]
    fn messages_are_the_text_and_cut_no_word_that_fits(text in text(), limit in 4_usize..80) {
        let messages: Vec<_> = count::messages(&text, limit).collect();
        prop_assert_eq!(messages.concat(), &text[..]);
        prop_assert!(messages.iter().all(|message| !message.is_empty() && message.len() <= limit));
        let fits = |word: &&[u8]| word.len() <= count::longest_word(limit);
        if count::words(&text).all(|word| fits(&word)) {
            let words: Vec<_> = messages.iter().copied().flat_map(count::words).collect();
            prop_assert_eq!(words, count::words(&text).collect::<Vec<_>>());
        }
    }

    #[test]
    fn answers_come_back_as_they_were(text in text(), messages: u64, bytes: u64, cut: prop::sample::Index) {
        let mut counts = count::Counts::new();
        count::add_words(&mut counts, &text);
        let report = answer::Report { messages, bytes, cpu: cpu::Cpu::used() };
        let (mut decoded, mut reports) = (count::Counts::new(), 0);
        for message in answer::encode(&counts, &report) {
            match answer::decode(&message) {
                Some(answer::Answer::Counts(some)) => {
                    some.into_iter().for_each(|(word, times)| count::add(&mut decoded, word, times));
                }
                Some(answer::Answer::Report(read)) => {
                    prop_assert_eq!((read.messages, read.bytes), (messages, bytes));
                    reports += 1;
                    // What is cut or has something after it is refused, not misread.
                    prop_assert!(answer::decode(&message[..cut.index(message.len())]).is_none());
                    prop_assert!(answer::decode(&[&message[..], &[0]].concat()).is_none());
                }
                None => prop_assert!(false, "refused"),
            }
        }
        prop_assert_eq!((decoded, reports), (counts, 1));
    }
}

#[test]
fn a_count_that_is_missing_wrong_or_too_many_is_found() {
    let of = |text: &str| {
        let mut counts = count::Counts::new();
        count::add_words(&mut counts, text.as_bytes());
        counts
    };
    let once = of("a b b");
    assert_eq!(count::difference(&of("b a b b b a"), &once, 2), None);
    assert_eq!(count::difference(&of("a a b b b"), &once, 2), Some((&b"b"[..], 3, 4)));
    assert_eq!(count::difference(&of("b b b b"), &once, 2), Some((&b"a"[..], 0, 2)));
    assert_eq!(count::difference(&of("a a b b b b c"), &once, 2), Some((&b"c"[..], 1, 0)));
}
