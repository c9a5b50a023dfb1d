//! What a channel promises, whatever carries it and wherever its other end is.
//!
//! Each sentence below is a function that is run over every link of [`every_link`] and, where it does not need a
//! process to die, once with two threads of one process and once with a forked child at the other end; the same over
//! shared memory of which one end lends the other its part, for each way to wait, and with system calls denied.

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod both_send;
mod close;
mod death;
mod fork;
mod grants;
mod lengths;
mod options;
mod order;
mod receive;
mod setting;
mod space;

/// The links, and what each is asked for by.
macro_rules! every_link {
    ($with_link:ident) => {
        $with_link! {
            shm = ringway::channel::LinkChoice::Shm,
            socket = ringway::channel::LinkChoice::Socket
        }
    };
}

/// Sentences that hold for any two ends.
macro_rules! of_any_two_ends {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            batches::a_batch_appears_all_at_once
            batches::a_batch_that_is_dropped_leaves_no_trace
            batches::a_full_batch_says_so_and_can_still_be_committed
            batches::a_batch_refuses_a_message_that_it_can_never_hold
            batches::an_empty_batch_commits_nothing
            batches::a_batch_holds_messages_of_every_kind
            both_send::two_ends_that_both_only_send_do_not_wait_for_each_other
            both_send::a_full_inbox_is_an_error_and_loses_nothing
            both_send::large_messages_pass_each_other
            both_send::split_halves_that_send_their_longest_at_once_at_the_same_time_do_not_hang
            close::what_was_sent_before_the_close_arrives_and_then_the_end
            close::a_send_after_the_receiver_closed_says_so
            close::one_direction_can_be_closed_alone
            close::dropping_a_whole_channel_closes_both_directions
            close::a_half_that_is_left_goes_on_without_the_other
            fork::a_forked_copy_answers_forked_and_does_no_harm
            fork::a_fork_between_a_call_and_its_answer_answers_forked
            fork::guards_that_are_held_across_a_fork_are_inert_in_the_child
            grants::what_was_put_is_what_arrives
            grants::a_grant_can_be_written_over
            grants::a_grant_is_an_io_writer
            grants::a_commit_can_be_of_the_first_bytes_only
            grants::a_grant_that_is_dropped_leaves_no_trace
            grants::a_grant_refuses_more_than_it_has_room_for
            grants::a_grant_waits_for_space_and_a_tried_one_does_not
            grants::a_grant_over_the_longest_is_refused
            lengths::every_short_length_is_kept
            lengths::lengths_around_every_limit_are_kept
            lengths::an_empty_message_is_a_message
            lengths::a_message_over_the_longest_is_refused_and_nothing_is_sent
            lengths::messages_longer_than_the_link_are_streamed
            order::messages_arrive_once_and_in_order
            order::several_are_received_at_once_in_order
            receive::a_buffer_too_small_leaves_the_message
            receive::a_receive_that_timed_out_takes_nothing
            receive::a_receive_with_a_deadline_in_the_past_still_takes_what_is_there
            receive::a_tried_receive_does_not_wait
            space::a_full_link_says_so_and_takes_more_when_there_is_space
            space::a_send_waits_for_space
            space::a_send_that_timed_out_leaves_nothing
            space::a_stream_that_timed_out_leaves_nothing
            space::a_message_that_must_be_streamed_cannot_be_tried
        }
    };
}

/// The same, about ends that sleep while they wait.
macro_rules! of_two_ends_that_sleep {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            close::a_sleeping_receiver_is_told_of_the_close
            close::a_sleeping_sender_is_told_of_the_close
            space::a_close_beside_a_thread_that_waits_for_space_comes_after_its_message
        }
    };
}

/// The same, where threads share an end.
macro_rules! of_ends_that_threads_share {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            both_send::many_threads_share_both_ends
            both_send::a_sender_takes_in_what_comes_once_nobody_receives_any_more
            fork::a_fork_while_other_threads_wait_answers_forked
            space::a_thread_that_waits_for_space_delays_no_other_that_does_not
        }
    };
}

/// Sentences about the end of a process, whether it is told as a death or, without pidfds, as a hang-up.
macro_rules! of_two_processes_of_which_one_ends {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            death::what_was_committed_before_a_kill_arrives
            death::a_process_that_exits_is_gone_like_a_killed_one
        }
    };
}

/// Sentences about what only a death tells.
macro_rules! of_two_processes {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            death::a_peer_that_hangs_up_is_not_dead
            death::who_only_sends_is_told_of_the_death_and_handed_back_what_was_sent
            fork::what_was_salvaged_is_not_handed_out_in_a_forked_child
        }
    };
}

/// The same, while the survivor sleeps.
macro_rules! of_two_processes_that_sleep {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            death::a_sleeping_receiver_is_told_of_the_death
            death::a_sleeping_sender_is_told_of_the_death
            death::what_is_lost_of_a_stream_is_told
        }
    };
}

/// The same, in several threads.
macro_rules! of_two_processes_whose_threads_sleep {
    ($each:ident, $link:expr, $place:ident) => {
        $each! { $link, $place;
            death::a_death_is_told_to_every_thread_that_waits
            death::a_stopped_peer_delays_no_other_link_and_loses_nothing
        }
    };
}

macro_rules! tests {
    ($setting:expr, $place:ident; $($chapter:ident :: $sentence:ident)*) => {
        $(
            #[test]
            fn $sentence() {
                let setting: Setting = $setting;
                alone!(move || {
                    setting.prepare();
                    crate::$chapter::$sentence(&setting)
                });
            }
        )*
    };
}

macro_rules! every_sentence {
    ($name:ident = $setting:expr) => {
        mod $name {
            mod two_threads {
                use crate::alone;
                use crate::setting::{Place, Setting};
                of_any_two_ends! { tests, $setting(Place::Thread), Thread }
                of_two_ends_that_sleep! { tests, $setting(Place::Thread), Thread }
                of_ends_that_threads_share! { tests, $setting(Place::Thread), Thread }
            }
            mod forked_child {
                use crate::alone;
                use crate::setting::{Place, Setting};
                of_any_two_ends! { tests, $setting(Place::Child), Child }
                of_two_ends_that_sleep! { tests, $setting(Place::Child), Child }
                of_ends_that_threads_share! { tests, $setting(Place::Child), Child }
                of_two_processes_of_which_one_ends! { tests, $setting(Place::Child), Child }
                of_two_processes! { tests, $setting(Place::Child), Child }
                of_two_processes_that_sleep! { tests, $setting(Place::Child), Child }
                of_two_processes_whose_threads_sleep! { tests, $setting(Place::Child), Child }
            }
        }
    };
}

macro_rules! over_a_link {
    ($($name:ident = $link:expr),+) => {
        $(every_sentence! { $name = |place| Setting::over($link, place) })+
    };
}

every_link! { over_a_link }

// The same where the other end may make no shared memory, so that this one lends it its segment.
every_sentence! { shm_lent = Setting::lent }

// The same over named memory.
#[cfg(feature = "portable")]
every_sentence! { portable = |place| Setting::over(ringway::channel::LinkChoice::Portable, place) }

/// The same where the ends never poll before they sleep, or never sleep; the default is between the two.
macro_rules! waiting {
    ($name:ident = $wait:ident $($more:ident)*) => {
        mod $name {
            mod two_threads {
                use crate::alone;
                use crate::setting::{Place, Setting};
                use ringway::channel::Wait::$wait;
                of_any_two_ends! { tests, Setting::waiting($wait, Place::Thread), Thread }
            }
            mod forked_child {
                use crate::alone;
                use crate::setting::{Place, Setting};
                use ringway::channel::Wait::$wait;
                of_two_processes_of_which_one_ends! { tests, Setting::waiting($wait, Place::Child), Child }
                of_two_processes! { tests, Setting::waiting($wait, Place::Child), Child }
                $($more! { tests, Setting::waiting($wait, Place::Child), Child })*
            }
        }
    };
}

waiting! { parked = Park of_two_ends_that_sleep of_ends_that_threads_share of_two_processes_that_sleep of_two_processes_whose_threads_sleep }
waiting! { spinning = Spin }

/// The same where a filter denies one system call: over whatever link there is then. Without pidfds the end of a process
/// is told as a hang-up.
macro_rules! without_a_call {
    ($($name:ident = $call:ident $link:ident $($more:ident)*),+ $(,)?) => {
        $(
            mod $name {
                mod denied {
                    use crate::alone;
                    use crate::setting::{Place, Setting};
                    use ringway::channel::LinkChoice::$link;
                    of_any_two_ends! { tests, Setting::without(&[libc::$call], libc::EPERM, $link, Place::Child), Child }
                    of_two_ends_that_sleep! { tests, Setting::without(&[libc::$call], libc::EPERM, $link, Place::Child), Child }
                    $($more! { tests, Setting::without(&[libc::$call], libc::EPERM, $link, Place::Child), Child })*
                }
                mod unknown {
                    use crate::alone;
                    use crate::setting::{Place, Setting};
                    use ringway::channel::LinkChoice::$link;
                    of_any_two_ends! { tests, Setting::without(&[libc::$call], libc::ENOSYS, $link, Place::Thread), Thread }
                    of_two_ends_that_sleep! { tests, Setting::without(&[libc::$call], libc::ENOSYS, $link, Place::Thread), Thread }
                    $($more! { tests, Setting::without(&[libc::$call], libc::ENOSYS, $link, Place::Child), Child })*
                }
            }
        )+
    };
}

without_a_call! {
    without_memfd_create = SYS_memfd_create Socket of_ends_that_threads_share of_two_processes_of_which_one_ends of_two_processes of_two_processes_that_sleep of_two_processes_whose_threads_sleep,
    without_membarrier = SYS_membarrier Shm of_ends_that_threads_share of_two_processes_of_which_one_ends of_two_processes of_two_processes_that_sleep of_two_processes_whose_threads_sleep,
    without_pidfd_open = SYS_pidfd_open Shm of_ends_that_threads_share of_two_processes_of_which_one_ends of_two_processes_that_sleep of_two_processes_whose_threads_sleep,
    without_sendmsg = SYS_sendmsg Socket of_ends_that_threads_share of_two_processes_of_which_one_ends of_two_processes_that_sleep of_two_processes_whose_threads_sleep,
    without_recvmsg = SYS_recvmsg Socket of_ends_that_threads_share of_two_processes_of_which_one_ends of_two_processes_that_sleep of_two_processes_whose_threads_sleep,
}

/// Without futexes no two threads of a process may have to wait for each other: the C library would end it.
macro_rules! without_futexes {
    ($($name:ident = $calls:expr, $errno:ident),+ $(,)?) => {
        $(
            mod $name {
                use crate::alone;
                use crate::setting::{Place, Setting};
                fn setting() -> Setting {
                    Setting::without($calls, libc::$errno, ringway::channel::LinkChoice::Socket, Place::Child)
                }
                of_any_two_ends! { tests, setting(), Child }
                of_two_ends_that_sleep! { tests, setting(), Child }
                of_two_processes_of_which_one_ends! { tests, setting(), Child }
                of_two_processes! { tests, setting(), Child }
                of_two_processes_that_sleep! { tests, setting(), Child }
            }
        )+
    };
}

/// A filter that leaves no way to make a memfd, nor to sleep on one.
const MEMFD_AND_FUTEX: &[libc::c_long] = &[libc::SYS_memfd_create, libc::SYS_futex, libc::SYS_futex_waitv];

without_futexes! {
    without_futex_denied = &[libc::SYS_futex], EPERM,
    without_futex_unknown = &[libc::SYS_futex], ENOSYS,
    without_memfd_create_and_futex_denied = crate::MEMFD_AND_FUTEX, EPERM,
    without_memfd_create_and_futex_unknown = crate::MEMFD_AND_FUTEX, ENOSYS,
}
