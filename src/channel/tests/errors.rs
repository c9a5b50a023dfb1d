//! How large errors are: each is returned in the place of a result, so it is moved with every answer.

use crate::channel::GrantFull;
use crate::channel::error::*;
use crate::ring::{ClaimFull, Corrupt, PopError, PushError};

/// What the documentation of [`error`](crate::channel::error) says.
const MOST: usize = 24;

#[test]
fn the_error_of_every_operation_is_small() {
    let sizes = [
        ("BatchError", size_of::<BatchError>()),
        ("Cause", size_of::<Cause>()),
        ("ClaimFull", size_of::<ClaimFull>()),
        ("Corrupt", size_of::<Corrupt>()),
        ("GrantFull", size_of::<GrantFull>()),
        ("PopError", size_of::<PopError>()),
        ("PushError", size_of::<PushError>()),
        ("RecvError", size_of::<RecvError>()),
        ("RecvIntoError", size_of::<RecvIntoError>()),
        ("RecvTimeoutError", size_of::<RecvTimeoutError>()),
        ("SalvageError", size_of::<SalvageError>()),
        ("SendError", size_of::<SendError>()),
        ("SendTimeoutError", size_of::<SendTimeoutError>()),
        ("TryRecvError", size_of::<TryRecvError>()),
        ("TryRecvIntoError", size_of::<TryRecvIntoError>()),
        ("TrySendError", size_of::<TrySendError>()),
    ];
    assert!(sizes.iter().all(|(_, size)| *size <= MOST), "{sizes:?}");
}
