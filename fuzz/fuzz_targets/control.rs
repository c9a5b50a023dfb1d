//! One end of the handshake, and a peer that says anything at any time.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = ringway::internals::fuzz::control(data);
});
