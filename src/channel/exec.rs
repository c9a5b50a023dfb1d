//! Ends that cross an `exec`.
//!
//! One variable of the environment for each end names its two sockets by number *and* inode, and says what the end was
//! made with: `RINGWAY_CHANNEL_<name>=2,<fd>:<inode>,<fd>:<inode>,<role>,<link>,<wait>,<memory>,<capacity>,
//! <max_message>,<inbox_max>,<nanoseconds>,<largest capacity>,<largest max_message>` (format 2; control socket, data socket; times
//! and sizes in full; the last two are the end's [`Limits`]). It is never taken out of the environment, so every later
//! process inherits it too: whoever does not have those very sockets under those numbers is not meant.

use super::options::Options;
use super::pending::Pending;
use crate::control::accept::Limits;
use crate::control::fallback::LinkChoice;
use crate::segment::Capacity;
use crate::sys::inherit::{self, Adopted, Passed};
use crate::wait::spin::Wait;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// What the names of the variables begin with.
const PREFIX: &str = "RINGWAY_CHANNEL_";

/// The first field: another number is another format.
const FORMAT: &str = "2";

const LINKS: [LinkChoice; 4] = [LinkChoice::Auto, LinkChoice::Shm, LinkChoice::Socket, LinkChoice::Portable];
const WAITS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];

/// Starts a program with ends of channels, each by a name for which the program asks [`Pending::from_env`].
///
/// This process has none of the ends afterwards, so that the program's death shows as a hang-up even before it
/// connects. No other program gets them that is started meanwhile. Start the program first, then connect the other
/// ends: [`Pending::connect`] waits.
///
/// A name consists of letters, digits and `_`, of ASCII. The environment of this process is not changed.
///
/// # Errors
/// [`SpawnError`]. There is no process then, and the ends are gone: the other ones are told so when they connect.
///
/// # Example
/// ```
/// use ringway::channel::{Options, Pending, pair, spawn};
/// use std::process::Command;
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     if let Some(theirs) = Pending::from_env("echo")? {          // this process was started with an end
///         let channel = theirs.connect()?;
///         while let Ok(message) = channel.recv() {
///             channel.send(&message)?;
///         }
///         return Ok(());
///     }
///     let (ours, theirs) = pair(&Options::new())?;
///     let mut command = Command::new(std::env::current_exe()?);   // any program that asks for "echo"
///     command.args(std::env::args_os().skip(1));
///     let mut child = spawn(command, [("echo", theirs)])?;
///
///     let channel = ours.connect()?;
///     channel.send(b"hello")?;
///     assert_eq!(&*channel.recv()?, b"hello");
///     drop(channel);
///     assert!(child.wait()?.success());
///     Ok(())
/// }
/// ```
pub fn spawn<N: AsRef<str>>(
    mut command: Command,
    ends: impl IntoIterator<Item = (N, Pending)>,
) -> Result<Child, SpawnError> {
    let program = PathBuf::from(command.get_program());
    let failed = |source| SpawnError::System { program: program.clone(), source };
    let mut variables = Vec::new();
    for (name, end) in ends {
        let name = name.as_ref();
        let variable = variable(name).ok_or_else(|| SpawnError::Name { name: name.into() })?;
        if variables.contains(&variable) {
            return Err(SpawnError::Twice { name: name.into() });
        }
        // The program is not to hold what is its peer's.
        let Pending { offers, control, data, peer_data: _, options } = end;
        let sockets = inherit::pass(&mut command, [control, data]).map_err(|errno| failed(errno.into()))?;
        command.env(&variable, Mark { sockets, offers, options }.to_string());
        variables.push(variable);
    }
    command.spawn().map_err(failed)
}

impl Pending {
    /// The end that this process was started with under a name by [`spawn`]; `None` in every other process, a child
    /// of that one included. It has the options that it was made with. Call it early: until then every program that
    /// this process starts gets the end as well, and may take it.
    ///
    /// A program that wraps the one that was started passes the end on, unless it closes descriptors. The variable is
    /// believed to be the parent's: a program that writes into it the number and inode of a socket that it owns has two
    /// owners of that socket. A child that a program with several threads forks, without an exec, had better not ask.
    ///
    /// # Errors
    /// [`FromEnvError`]. If it is [`FromEnvError::System`] the end is gone.
    pub fn from_env(name: &str) -> Result<Option<Self>, FromEnvError> {
        let variable = variable(name).ok_or_else(|| FromEnvError::Name { name: name.into() })?;
        let Some(value) = std::env::var_os(&variable) else { return Ok(None) };
        let Some(mark) = OsStr::to_str(&value).and_then(Mark::parse) else {
            return Err(FromEnvError::Mark { variable, value: value.to_string_lossy().into_owned() });
        };
        let Mark { sockets, offers, options } = mark;
        match inherit::adopt(sockets) {
            Ok(Adopted::Both([control, data])) => {
                Ok(Some(Self { offers, control, data, peer_data: None, options }))
            }
            Ok(Adopted::Neither) => Ok(None),
            Ok(Adopted::Taken) => Err(FromEnvError::Taken { name: name.into() }),
            Err(errno) => Err(FromEnvError::System(errno.into())),
        }
    }
}

/// The variable for an end of this name, if it is one: what shells would drop on the way is not.
fn variable(name: &str) -> Option<String> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && !name.is_empty()).then(|| format!("{PREFIX}{name}"))
}

/// What the variable says: the end's sockets, control and data, and all else that a [`Pending`] is.
#[derive(Debug)]
struct Mark {
    sockets: [Passed; 2],
    offers: bool,
    options: Options,
}

impl Mark {
    fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split(',');
        if fields.next()? != FORMAT {
            return None;
        }
        let sockets = [Passed::parse(fields.next()?)?, Passed::parse(fields.next()?)?];
        let offers = read(fields.next()?, role, &[true, false])?;
        let options = Options {
            link: read(fields.next()?, link, &LINKS)?,
            wait: read(fields.next()?, wait, &WAITS)?,
            prefault: read(fields.next()?, memory, &[false, true])?,
            capacity: Capacity::new(fields.next()?.parse().ok()?).ok()?,
            max_message: fields.next()?.parse().ok()?,
            inbox_max: fields.next()?.parse().ok()?,
            handshake_timeout: nanoseconds(fields.next()?.parse().ok()?)?,
            limits: Limits {
                capacity: Capacity::new(fields.next()?.parse().ok()?).ok()?,
                max_message: fields.next()?.parse().ok()?,
            },
        };
        let mark = Mark { sockets, offers, options };
        // Only the one way of writing it is ours: no sign, no space, nothing after it.
        (mark.to_string() == value).then_some(mark)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark { sockets: [control, data], offers, options } = self;
        let Options { capacity, max_message, inbox_max, handshake_timeout, limits, .. } = options;
        let (role, link, wait) = (role(*offers), link(options.link), wait(options.wait));
        let memory = memory(options.prefault);
        let (capacity, timeout) = (capacity.bytes(), handshake_timeout.as_nanos());
        write!(f, "{FORMAT},{control},{data},{role},{link},{wait},{memory},")?;
        write!(f, "{capacity},{max_message},{inbox_max},{timeout},")?;
        write!(f, "{},{}", limits.capacity.bytes(), limits.max_message)
    }
}

fn role(offers: bool) -> &'static str {
    if offers { "offers" } else { "accepts" }
}

fn link(link: LinkChoice) -> &'static str {
    match link {
        LinkChoice::Auto => "auto",
        LinkChoice::Shm => "shm",
        LinkChoice::Socket => "socket",
        LinkChoice::Portable => "portable",
    }
}

fn wait(wait: Wait) -> &'static str {
    match wait {
        Wait::Spin => "spin",
        Wait::Adaptive => "adaptive",
        Wait::Park => "park",
    }
}

fn memory(prefault: bool) -> &'static str {
    if prefault { "prefault" } else { "lap" }
}

/// The one of these values that is written so.
fn read<T: Copy>(word: &str, write: fn(T) -> &'static str, values: &[T]) -> Option<T> {
    values.iter().copied().find(|value| write(*value) == word)
}

fn nanoseconds(count: u128) -> Option<Duration> {
    const SECOND: u128 = 1_000_000_000;
    Some(Duration::new((count / SECOND).try_into().ok()?, (count % SECOND) as u32))
}

/// Why a program was not started with ends of channels. There is no process, and the ends are gone.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// A name is empty, or has other characters than letters, digits and `_` of ASCII.
    Name {
        /// The name.
        name: String,
    },
    /// Two ends have the same name.
    Twice {
        /// The name.
        name: String,
    },
    /// There is no such program, it may not be executed, or a limit of this process or of the system is reached.
    System {
        /// The program that was to run.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => bad_name(f, name),
            Self::Twice { name } => write!(f, "two ends are named {name:?}: rename one"),
            Self::System { program, source } => {
                write!(f, "{} could not be started: {source}", program.display())
            }
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why [`Pending::from_env`] has no end to give.
#[derive(Debug)]
#[non_exhaustive]
pub enum FromEnvError {
    /// The name is empty, or has other characters than letters, digits and `_` of ASCII.
    Name {
        /// The name.
        name: String,
    },
    /// The variable for this name holds something that Ringway did not write, or another version of Ringway did.
    Mark {
        /// The variable.
        variable: String,
        /// What it holds.
        value: String,
    },
    /// The end was taken before, by this process or by the one that it was forked from.
    Taken {
        /// The name of the end.
        name: String,
    },
    /// The sockets could not be kept from the programs that this process starts.
    System(io::Error),
}

impl fmt::Display for FromEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => bad_name(f, name),
            Self::Mark { variable, value } => {
                write!(
                    f,
                    "{variable} does not describe an end of a channel in a form that is known: {value:?}"
                )
            }
            Self::Taken { name } => {
                write!(f, "the end {name:?} was taken before: keep it where it was taken")
            }
            Self::System(source) => write!(f, "the sockets could not be made close-on-exec: {source}"),
        }
    }
}

impl std::error::Error for FromEnvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(source) => Some(source),
            _ => None,
        }
    }
}

fn bad_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    write!(f, "{name:?} cannot name an end: use letters, digits and _ of ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::pair;
    use proptest::prelude::*;

    fn mark(offers: bool, options: Options) -> Mark {
        let sockets = [Passed { fd: 3, inode: 77 }, Passed { fd: 4, inode: u64::MAX }];
        Mark { sockets, offers, options }
    }

    #[test]
    fn a_mark_is_written_and_read() {
        let text = "2,3:77,4:18446744073709551615,offers,auto,adaptive,lap,1048576,67108864,67108864,10000000000,1073741824,5";
        let options = Options::new().limits(Limits::NONE.max_message(5));
        assert_eq!(mark(true, options).to_string(), text);
        assert_eq!(Mark::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn nothing_else_is_a_mark() {
        let good = mark(false, Options::new()).to_string();
        assert!(Mark::parse(&good).is_some());
        let cut = (0..good.len()).map(|len| good[..len].to_string());
        // A number that is cut short is another number, but of the last field only.
        let cut = cut.filter(|text| text.split(',').count() < good.split(',').count());
        let changes = [
            ("2,3", "1,3"),
            ("3:77", "03:77"),
            ("3:77", "+3:77"),
            ("3:77", " 3:77"),
            ("3:77", "3"),
            ("accepts", "Accepts"),
            ("auto", "pipe"),
            ("adaptive", ""),
            ("1048576", "1048577"),
            ("1048576", "0"),
            ("67108864", "18446744073709551616"),
            ("67108864", "-1"),
            ("10000000000", "10000000000,"),
            ("1073741824", "1073741825"),
            (",1073741824,", ",+1073741824,"),
            ("10000000000", "18446744073709551616000000000"),
        ];
        let changed = changes.map(|(old, new)| good.replacen(old, new, 1));
        for value in cut.chain(changed) {
            assert!(Mark::parse(&value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn a_name_is_a_plain_word() {
        for name in ["a", "JOBS_2", "_", "0"] {
            assert_eq!(variable(name), Some(format!("RINGWAY_CHANNEL_{name}")));
        }
        for name in ["", "a b", "a=b", "a\0", "ä", "a-b"] {
            assert_eq!(variable(name), None, "{name:?}");
            assert!(
                matches!(Pending::from_env(name), Err(FromEnvError::Name { name: told }) if told == name)
            );
            let (_ours, theirs) = pair(&Options::new()).unwrap();
            let refused = spawn(Command::new("true"), [(name, theirs)]);
            assert!(matches!(refused, Err(SpawnError::Name { name: told }) if told == name));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_stumble(value in "2,[0-9:,a-z]{0,60}|.{0,20}") {
            if let Some(mark) = Mark::parse(&value) {
                prop_assert_eq!(mark.to_string(), value);
            }
        }

        #[test]
        fn every_mark_is_read_back(
            fds: [i32; 2], inodes: [u64; 2], offers: bool, link in 0..3usize, wait in 0..3usize, prefault: bool,
            capacities in [12..=30u32, 12..=30u32], max: [u64; 2], inbox: u64, seconds: u64, nanos in 0..1_000_000_000u32,
        ) {
            let [capacity, largest] = capacities;
            let limits = Limits::NONE.capacity(1 << largest).unwrap().max_message(max[1]);
            let options = Options::new().capacity(1 << capacity).unwrap().max_message(max[0]).inbox_max(inbox);
            let options = options.limits(limits);
            let options = options.link(LINKS[link]).wait(WAITS[wait]).prefault(prefault);
            let options = options.handshake_timeout(Duration::new(seconds, nanos));
            let [fd, fd2] = fds;
            let sockets = [Passed { fd, inode: inodes[0] }, Passed { fd: fd2, inode: inodes[1] }];
            let text = Mark { sockets, offers, options }.to_string();
            prop_assert_eq!(Mark::parse(&text).map(|mark| mark.to_string()), Some(text));
        }
    }
}
