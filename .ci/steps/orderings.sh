#!/usr/bin/env bash
# the mutation script finds its places, and each entry of docs/orderings.md is one of them
source .ci/lib.sh
run cargo test --locked --manifest-path .ci/mutants/Cargo.toml
run cargo run --locked --quiet --manifest-path .ci/mutants/Cargo.toml -- --list
