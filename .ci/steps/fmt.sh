#!/usr/bin/env bash
# every package is formatted
source .ci/lib.sh
for manifest in Cargo.toml fuzz/Cargo.toml .ci/mutants/Cargo.toml; do
  run cargo fmt --manifest-path "$manifest" --all --check
done
