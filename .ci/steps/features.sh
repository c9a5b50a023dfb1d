#!/usr/bin/env bash
# every feature alone, none and all
source .ci/lib.sh
run cargo clippy --locked --lib --no-default-features -- -D warnings
run cargo test --locked --lib --no-default-features
for feature in $(features); do
  run cargo clippy --locked --lib --no-default-features --features "$feature" -- -D warnings
  run cargo test --locked --lib --no-default-features --features "$feature"
done
if [ -n "$(features)" ]; then
  run cargo test --locked --all-features
fi
