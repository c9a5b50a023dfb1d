#!/usr/bin/env bash
# README's two commands, and the races of the ring at full speed
source .ci/lib.sh
run cargo test --locked
log=$(mktemp)
run cargo run --release --locked --example wordcount | tee "$log"
grep -q 'the same as counted by one process' "$log" || die "the main job does not say that its counts are right"
rm "$log"
# As quick as they are in a program.
run cargo test --release --locked --lib ring::tests::racing | tee "$log"
grep -q '^test result: ok. 4 passed' "$log" || die "the filter of the races matched something else"
rm "$log"
