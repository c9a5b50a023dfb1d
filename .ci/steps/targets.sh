#!/usr/bin/env bash
# the library type-checks for other processors and systems, and the compiler says what is not for one
source .ci/lib.sh
readonly FOREIGN="x86_64-pc-windows-gnu x86_64-apple-darwin"
absent=()

# have TARGET: whether its standard library is there, or can be had.
have() { run rustup target add "$1" || { absent+=("$1"); return 1; }; }

# The library alone: the dev-dependencies compile C, and want a cross compiler.
if have aarch64-unknown-linux-gnu; then
  run cargo check --locked --lib --no-default-features --target aarch64-unknown-linux-gnu
  run cargo check --locked --lib --all-features --target aarch64-unknown-linux-gnu
fi
# There: the ring alone, and with `portable` rings over named memory.
away=target/foreign/away
rm -rf "$away" && mkdir -p "$away"
cat >"$away/Cargo.toml" <<EOF
[package]
name = "away"
version = "0.0.0"
edition = "2024"
[dependencies]
ringway = { path = "$PWD", features = ["portable"] }
[lib]
path = "lib.rs"
[workspace]
EOF
cp Cargo.lock "$away/"
for target in $FOREIGN; do
  have "$target" || continue
  export CARGO_TARGET_DIR=target/foreign RUSTFLAGS="-D warnings"
  run cargo check --locked --lib --target "$target"
  run cargo check --locked --lib --features portable --target "$target"
  echo 'pub use ringway::{named::{create, open}, ring::Producer};' >"$away/lib.rs"
  run cargo check --offline --manifest-path "$away/Cargo.toml" --target "$target"
  # What is for Linux alone is refused, in words.
  for item in channel::pair cluster::Cluster Cluster Worker LinkChoice; do
    echo "pub use ringway::$item;" >"$away/lib.rs"
    ! cargo check --offline --manifest-path "$away/Cargo.toml" --target "$target" >"$away/log" 2>&1 ||
      die "\`$item\` claims to work on $target"
    grep -q 'Unsupported on this system: .* for Linux' "$away/log" && grep -q 'the item is gated here' "$away/log" ||
      die "$(cat "$away/log")"
  done
  unset CARGO_TARGET_DIR RUSTFLAGS
done
[ ${#absent[@]} -eq 0 ] || skip "the standard libraries of these cannot be had: ${absent[*]}"
