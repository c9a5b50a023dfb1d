#!/usr/bin/env bash
# the library type-checks for other processors and systems, and says where a feature is not for one
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
log=$(mktemp)
for target in $FOREIGN; do
  have "$target" || continue
  RUSTFLAGS="-D warnings" CARGO_TARGET_DIR=target/foreign run cargo check --locked --lib --target "$target"
  # What is for Linux alone is refused, in words.
  ! CARGO_TARGET_DIR=target/foreign cargo check --locked --lib --features portable --target "$target" >"$log" 2>&1 ||
    die "the feature \`portable\` claims to work on $target"
  grep -q 'the feature `portable` is supported on Linux only' "$log" || die "$(cat "$log")"
done
rm "$log"
[ ${#absent[@]} -eq 0 ] || skip "the standard libraries of these cannot be had: ${absent[*]}"
