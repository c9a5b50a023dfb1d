//! How Ringway is fuzzed.
//!
//! A target is `fuzz_targets/<target>.rs`, a `[[bin]]` of this package (`test = false`, `doc = false`, `bench = false`)
//! that hands its input to one function of the library. Its seeds are the files of `seeds/<target>/`, one input a
//! file, named for the outcome that it reaches: they are read, never written. What the fuzzer finds goes to
//! `corpus/<target>/`, which is not kept.
//!
//! `cargo +nightly fuzz run <target> fuzz/corpus/<target> fuzz/seeds/<target>` fuzzes one target for as long as one
//! likes; `bash .ci/run fuzz` gives every target a bounded number of inputs, and refuses a target without seeds.
//!
//! An input of `ring_model` is given at most 200 bytes (`-max_len=200`), one of the hostile targets 128: about a
//! hundred and about fifty operations, which is many laps of a small ring and some of the largest. A longer one takes
//! as much more time as it has operations. A handshake ends after a few packets however long its input is, and a
//! packet can be long: those two targets have the fuzzer's own bound of 4096 bytes.
//!
//! Where a run is long, `ASAN_OPTIONS=malloc_context_size=1:quarantine_size_mb=16` makes it quicker: fewer frames of
//! each allocation are kept, and freed memory is watched for hundreds of runs instead of thousands. No check is off.
