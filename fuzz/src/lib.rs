//! How Ringway is fuzzed.
//!
//! A target is `fuzz_targets/<target>.rs`, a `[[bin]]` of this package (`test = false`, `doc = false`, `bench = false`)
//! that hands its input to one function of the library. Its seeds are the files of `seeds/<target>/`, one input a
//! file, named for the outcome that it reaches: they are read, never written. What the fuzzer finds goes to
//! `corpus/<target>/`, which is not kept.
//!
//! `cargo +nightly fuzz run <target> fuzz/corpus/<target> fuzz/seeds/<target>` fuzzes one target for as long as one
//! likes; `bash .ci/run fuzz` gives every target a bounded number of inputs, and refuses a target without seeds.
