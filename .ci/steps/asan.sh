#!/usr/bin/env bash
# AddressSanitizer over the tests of .ci/asan-tests: a peer that writes while we read
source .ci/lib.sh
[ -n "$(entries .ci/asan-tests)" ] || skip ".ci/asan-tests is empty"
need_nightly
# The sanitizer sees no access that inline assembly makes, so here all copies go by words; the step `test` runs the
# same tests with the assembly, between guard pages.
export RUSTFLAGS="-Zsanitizer=address --cfg ringway_words" CARGO_TARGET_DIR=target/asan
# Leaks are looked for where a test binary returns from `main`: the processes that the tests fork or kill leave by
# `_exit` or a signal.
export ASAN_OPTIONS="detect_leaks=1:halt_on_error=1:detect_stack_use_after_return=1"
run_listed .ci/asan-tests cargo +nightly test --locked --target "$HOST"
