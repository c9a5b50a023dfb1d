#!/usr/bin/env bash
# no warnings of the compiler or of clippy, in anything, with all features and under loom
source .ci/lib.sh
run cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
run cargo clippy --locked --manifest-path .ci/mutants/Cargo.toml --all-targets -- -D warnings
# What the targets call is there for the fuzzer alone.
RUSTFLAGS="--cfg fuzzing" CARGO_TARGET_DIR=target/fuzzing \
  run cargo clippy --locked --manifest-path fuzz/Cargo.toml --all-targets -- -D warnings
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom run cargo clippy --locked --lib --profile test -- -D warnings
