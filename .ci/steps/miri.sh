#!/usr/bin/env bash
# Miri runs the tests of .ci/miri-tests, over heap memory, with many seeds
source .ci/lib.sh
# Names match anywhere: `store_buffering::`, among the tests of `wait` that call the system, holds one of these.
readonly MODULES=(sync:: ring:: wait::nap:: wait::spin:: --skip wait::tests:: --skip cluster:: --skip link:: --skip control::)
readonly SEEDS=${RINGWAY_MIRI_SEEDS:-8}
[ -n "$(entries .ci/miri-tests)" ] || skip ".ci/miri-tests is empty"
need_nightly miri rust-src
log=$(mktemp)
# The names are taken from a run of one seed: runs of many mix their lines.
MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-seed=0" \
  run cargo +nightly miri test --locked --lib "--" "${MODULES[@]}" | tee "$log"
same_tests .ci/miri-tests "$log"
MIRIFLAGS="-Zmiri-strict-provenance -Zmiri-many-seeds=1..$SEEDS" \
  run cargo +nightly miri test --locked --lib -- --quiet "${MODULES[@]}"
