#!/usr/bin/env bash
# ThreadSanitizer over process-local state: the tests of .ci/tsan-tests (it does not model fences)
source .ci/lib.sh
[ -n "$(entries .ci/tsan-tests)" ] || skip ".ci/tsan-tests is empty"
need_nightly rust-src
export RUSTFLAGS="-Zsanitizer=thread --cfg ringway_words" CARGO_TARGET_DIR=target/tsan
# A report ends the process in which it is made at once: a test that runs in a process of its own leaves it by `_exit`,
# where the sanitizer would not look.
export TSAN_OPTIONS="halt_on_error=1"
run_listed .ci/tsan-tests cargo +nightly test --locked -Zbuild-std --target "$HOST"
