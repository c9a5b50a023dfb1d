//! Any bytes, any handshake.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::decode::decode;
use super::super::fuzzing;

proptest! {
    #[test]
    fn any_packet_is_read_or_refused(packet in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = decode(&packet) {
            prop_assert_eq!(message.encode(), packet);
        }
    }

    #[test]
    fn any_peer_leaves_a_machine_with_a_typed_end(choices in vec(any::<u8>(), 0..400)) {
        let _ = fuzzing::control(&choices);
    }

    #[test]
    fn any_handshake_ends_at_both_ends_in_the_same_way(choices in vec(any::<u8>(), 0..200)) {
        let _ = fuzzing::handshake(&choices);
    }
}
