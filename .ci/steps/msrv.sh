#!/usr/bin/env bash
# the library builds with the oldest compiler that Cargo.toml promises, with no feature and with all
source .ci/lib.sh
version=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
[ -n "$version" ] || die "Cargo.toml has no rust-version"
[[ $version == *.*.* ]] && toolchain=$version || toolchain=$version.0
installed=$(rustup toolchain list)
grep -q "^$toolchain-" <<<"$installed" ||
  run rustup toolchain install "$toolchain" --profile minimal || skip "rustc $toolchain could not be had"
export CARGO_TARGET_DIR=target/msrv
run cargo "+$toolchain" check --locked --lib --no-default-features
run cargo "+$toolchain" check --locked --lib --all-features
