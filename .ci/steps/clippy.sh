#!/usr/bin/env bash
# no warnings of the compiler or of clippy, in anything, with all features and under loom
source .ci/lib.sh
run cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
for manifest in fuzz/Cargo.toml .ci/mutants/Cargo.toml; do
  run cargo clippy --locked --manifest-path "$manifest" --all-targets -- -D warnings
done
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom run cargo clippy --locked --lib --profile test -- -D warnings
