#!/usr/bin/env bash
# every fuzz target takes its seeds and a bounded number of inputs made from them
source .ci/lib.sh
readonly RUNS=${RINGWAY_FUZZ_RUNS:-20000}
need_tool fuzz
# The longest input of a target; why, fuzz/src/lib.rs says.
longest() { case $1 in ring_model) echo 200 ;; *_hostile) echo 128 ;; *) echo 4096 ;; esac; }
targets=$(cargo fuzz list | sort)
written=$(find fuzz -path '*/fuzz_targets/*.rs' -exec basename {} .rs \; | sort)
[ "$targets" = "$written" ] || die "fuzz/Cargo.toml lists [$targets], fuzz/fuzz_targets holds [$written]"
[ -n "$targets" ] || skip "fuzz/Cargo.toml lists no target"
need_nightly
for target in $targets; do
  [ -n "$(ls "fuzz/seeds/$target" 2>/dev/null)" ] || die "fuzz/seeds/$target has no seeds"
  mkdir -p "fuzz/corpus/$target"
  run cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -runs="$RUNS" -max_len="$(longest "$target")" -timeout=60 -print_final_stats=1
done
