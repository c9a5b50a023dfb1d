#!/usr/bin/env bash
# every benchmark runs once, unmeasured
source .ci/lib.sh
[ -n "$(ls benches/*.rs benches/*/main.rs 2>/dev/null)" ] || skip "there are no benches"
run cargo test --locked --all-features --bench '*'
