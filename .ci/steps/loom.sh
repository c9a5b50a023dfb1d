#!/usr/bin/env bash
# loom explores the models of .ci/loom-models
source .ci/lib.sh
[ -n "$(entries .ci/loom-models)" ] || skip ".ci/loom-models is empty"
log=$(mktemp)
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom
run cargo test --locked --release --lib loom -- --show-output | tee "$log"
same_tests .ci/loom-models "$log"
