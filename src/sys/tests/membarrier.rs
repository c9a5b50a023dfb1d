use super::{DENIALS, alone, deny, deny_flag, in_fork, raw};
use crate::sys::membarrier::{heavy, register};
use crate::sys::pidfd::Exit;
use rustix::thread::MembarrierCommand;

/// Whether the kernel counts this process as registered; `None` before Linux 6.3, which cannot say.
pub(crate) fn registered() -> Option<bool> {
    let mask = raw::membarrier_registrations();
    let register = MembarrierCommand::RegisterGlobalExpedited as libc::c_long;
    (mask >= 0).then_some(mask & register != 0)
}

#[test]
fn a_registered_process_can_be_fenced() {
    alone(|| {
        assert_ne!(registered(), Some(true));
        assert!(register() && register());
        assert_ne!(registered(), Some(false));
        assert_eq!(heavy(), Ok(()));
    });
}

#[test]
fn a_forked_child_inherits_the_registration_and_the_knowledge() {
    alone(|| {
        assert!(register());
        let exit = in_fork(|| {
            assert_ne!(registered(), Some(false));
            assert!(register());
        });
        assert_eq!(exit, Exit::Code(0));
    });
}

#[test]
fn a_filter_that_denies_membarrier_is_an_answer() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                deny(libc::SYS_membarrier, errno);
                assert!(!register());
                assert_eq!(heavy(), Err(errno));
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn a_filter_that_allows_only_the_registration_is_no_use() {
    alone(|| {
        for errno in DENIALS {
            let exit = in_fork(|| {
                let command = MembarrierCommand::GlobalExpedited as u32;
                deny_flag(libc::SYS_membarrier, 0, command, errno);
                assert!(!register());
            });
            assert_eq!(exit, Exit::Code(0));
        }
    });
}

#[test]
fn a_filter_that_comes_later_is_an_error_of_the_fence() {
    alone(|| {
        assert!(register());
        deny(libc::SYS_membarrier, crate::sys::Errno::PERM);
        assert_eq!(heavy(), Err(crate::sys::Errno::PERM));
    });
}
