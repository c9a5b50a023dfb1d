#!/usr/bin/env bash
# the library type-checks for another processor
source .ci/lib.sh
readonly TARGET=aarch64-unknown-linux-gnu
run rustup target add "$TARGET" || skip "the standard library for $TARGET cannot be had"
# The library alone: the dev-dependencies compile C, and want a cross compiler.
run cargo check --locked --all-features --target "$TARGET"
