#!/usr/bin/env bash
# loom explores the models of .ci/loom-models as often as docs/orderings.md says
source .ci/lib.sh
log=$(mktemp)
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom
run cargo test --locked --release --lib loom -- --show-output | tee "$log"
same_tests .ci/loom-models "$log"
# A row of the table may have several models, and then as many counts: | `a`, `b` | what they ask | 1, 2 (bound 3) |
told=$(awk -F' *[|] *' '/^## / { on = /^## The models$/ } on && /^[|] `/ {
  n = split($2, names, ", "); m = split($4, counts, ", ")
  if (n != m) print "unequal row: " $0
  for (i = 1; i <= n; i++) {
    gsub("`", "", names[i])
    if (counts[i] !~ /bound/) counts[i] = counts[i] " (exhaustive)"
    print names[i] ": " counts[i]
  } }' docs/orderings.md | sort)
counted=$(sed -nE 's/^.*model ([a-z_]+): ([0-9]+) executions (\(.*\))$/\1: \2 \3/p' "$log" | sort)
diff <(echo "$told") <(echo "$counted") || die "docs/orderings.md (left) tells of other models or counts than were run (right)"
echo "the models and their counts are those of docs/orderings.md"
