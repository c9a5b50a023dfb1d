//! Both ends of the handshake, over a line that loses, spoils and repeats packets.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = ringway::internals::fuzz::handshake(data);
});
