#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ringway::internals::fuzz::consumer_hostile(data);
});
