#!/usr/bin/env bash
# AddressSanitizer over the tests of .ci/asan-tests: a peer that writes while we read
source .ci/lib.sh
[ -n "$(entries .ci/asan-tests)" ] || skip ".ci/asan-tests is empty"
need_nightly
export RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan
run_listed .ci/asan-tests cargo +nightly test --locked --target "$HOST"
