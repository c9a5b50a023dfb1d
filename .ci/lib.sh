# What the steps share. Sourced, at the root of the package.
set -euo pipefail

readonly HOST=$(rustc -vV | sed -n 's/^host: //p')

# Runs a command and says so.
run() {
  echo "+ $*"
  "$@"
}

# Ends the step: what it would check is not there.
skip() {
  echo "skipped: $*"
  exit 77
}

die() {
  echo "error: $*" >&2
  exit 1
}

# The entries of a list file: comments and empty lines do not count.
entries() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

# The features of the package, without `default`.
features() {
  awk '/^\[/ { on = $0 == "[features]"; next } on && /^[A-Za-z0-9_-]+ *=/ { sub(/ *=.*/, ""); print }' Cargo.toml |
    sed '/^default$/d'
}

# need_nightly COMPONENT...: asks rustup only for what is not there, so that the steps run without a network.
need_nightly() {
  rustup toolchain list | grep -q '^nightly' || run rustup toolchain install nightly --profile minimal
  local component installed
  installed=$(rustc +nightly --print sysroot)/lib/rustlib/components
  for component; do
    grep -qxE "$component(-preview)?(-$HOST)?" "$installed" || run rustup component add --toolchain nightly "$component"
  done
}

# need_tool NAME: a cargo subcommand.
need_tool() { command -v "cargo-$1" >/dev/null || run cargo install --locked "cargo-$1"; }

# The names of the tests that a log says were run and passed.
passed() { sed -nE 's/^test (.*) \.\.\. ok$/\1/p' "$1" | sed 's/ - should panic$//' | sort -u; }

# same_tests LIST LOG: the tests that passed are those of the list, no fewer and no others.
same_tests() {
  local missing new
  missing=$(comm -23 <(entries "$1" | sort -u) <(passed "$2"))
  new=$(comm -13 <(entries "$1" | sort -u) <(passed "$2"))
  [ -z "$missing" ] || die "listed and did not run:" $missing
  [ -z "$new" ] || die "ran and is not listed:" $new
  echo "the tests that ran are those listed"
}

# run_listed LIST COMMAND...: runs the tests of a list by their exact names, and sees that each has run. An entry is the
# arguments that choose a test binary, then the test's name: `--lib ring::tests::x`, `--test hostile x`.
run_listed() {
  local list=$1 log wanted targets target names
  shift
  log=$(mktemp)
  wanted=$(mktemp)
  targets=$(entries "$list" | sed 's/ [^ ]*$//' | sort -u)
  while read -r target; do
    names=$(entries "$list" | sed -n "s/^$target \([^ ]*\)$/\1/p")
    echo "$names" >"$wanted"
    # Both are lists of words.
    # shellcheck disable=SC2086
    run "$@" $target -- --exact $names </dev/null | tee "$log"
    same_tests "$wanted" "$log"
  done <<<"$targets"
  rm "$log" "$wanted"
}
