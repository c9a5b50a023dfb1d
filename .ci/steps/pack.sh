#!/usr/bin/env bash
# a fresh crate that depends on the packed one runs README's first example, with every feature
source .ci/lib.sh

example() { awk '/^```/ { if (on) exit; on = $0 ~ /^```rust/; next } on' README.md; }

# fresh_crate FOLDER PACKED FEATURES
fresh_crate() {
  mkdir -p "$1/src"
  cat >"$1/Cargo.toml" <<MANIFEST
[package]
name = "fresh"
version = "0.0.0"
edition = "2024"

[dependencies]
ringway = { path = "$2", features = [$3] }

[workspace]
MANIFEST
  example >"$1/src/main.rs"
}

[ -f README.md ] || skip "there is no README.md"
[ -n "$(example)" ] || die "README.md has no Rust example"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export CARGO_TARGET_DIR=$place/target
run cargo package --locked --allow-dirty --no-verify
tar -xzf "$CARGO_TARGET_DIR"/package/ringway-*.crate -C "$place"
packed=$(echo "$place"/ringway-*)
for features in "" $(features); do
  fresh_crate "$place/fresh" "$packed" "${features:+\"$features\"}"
  run cargo build --manifest-path "$place/fresh/Cargo.toml"
  run timeout 60 "$CARGO_TARGET_DIR/debug/fresh"
done
