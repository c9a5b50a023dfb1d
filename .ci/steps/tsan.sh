#!/usr/bin/env bash
# ThreadSanitizer over process-local state: the tests of .ci/tsan-tests (it does not model fences)
source .ci/lib.sh
[ -n "$(entries .ci/tsan-tests)" ] || skip ".ci/tsan-tests is empty"
need_nightly rust-src
export RUSTFLAGS="-Zsanitizer=thread --cfg ringway_tsan" CARGO_TARGET_DIR=target/tsan
run_listed .ci/tsan-tests cargo +nightly test --locked -Zbuild-std --target "$HOST"
