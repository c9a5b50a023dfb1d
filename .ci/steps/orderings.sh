#!/usr/bin/env bash
# every ordering and fence of the library has a test that notices its weakening, or a reason why none can
source .ci/lib.sh
run cargo test --locked --manifest-path .ci/mutants/Cargo.toml
run cargo run --locked --quiet --manifest-path .ci/mutants/Cargo.toml -- --list
