#!/usr/bin/env bash
# the documentation builds without warnings, that of private items too
source .ci/lib.sh
export RUSTDOCFLAGS="-D warnings"
run cargo doc --locked --workspace --no-deps --all-features
run cargo doc --locked --workspace --no-deps --all-features --document-private-items
