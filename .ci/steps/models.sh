#!/usr/bin/env bash
# the faults of .ci/model-mutants make loom models fail, and every model is known to notice something
source .ci/lib.sh
readonly COPY=$PWD/target/models/tree
export RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=$PWD/target/models/loom CARGO_PROFILE_RELEASE_DEBUG=0
rm -rf "$COPY"
mkdir -p "$COPY"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' path; do [ ! -e "$path" ] || printf '%s\0' "$path"; done |
  xargs -0 cp --parents --target-directory="$COPY"

build() { (cd "$COPY" && cargo test --quiet --locked --release --lib --no-run); }

# fails MODEL: the model runs and fails. One that runs beyond the limit, which is for one that never ends and not for a slow
# machine, has not failed; and one that runs to its end too soon has noticed nothing.
fails() {
  local log status=0
  log=$(cd "$COPY" && RINGWAY_MODEL=$1 timeout --kill-after=5 600 cargo test --quiet --locked --release --lib loom 2>&1) ||
    status=$?
  [ "$status" -eq 101 ] && grep -q '^test result: FAILED' <<<"$log" && ! grep -q 'explores so little' <<<"$log"
}

count=0
while IFS=$'\t' read -r path from to models; do
  from=$(printf '%b' "$from") to=$(printf '%b' "$to")
  original=$(<"$path")
  rest=${original#*"$from"}
  [ "$rest" != "$original" ] || die "$path does not hold: $from"
  [ "${rest#*"$from"}" = "$rest" ] || die "$path holds more than once: $from"
  printf '%s\n' "${original/"$from"/"$to"}" >"$COPY/$path"
  build || die "does not build with the fault in $path: $to"
  for model in $models; do
    began=$SECONDS
    fails "$model" || die "the model $model does not notice within $((SECONDS - began)) s in $path: $to"
    echo "$model fails after $((SECONDS - began)) s with the fault in $path: ${to//$'\n'*/ …}"
    count=$((count + 1))
  done
  printf '%s\n' "$original" >"$COPY/$path"
done < <(entries .ci/model-mutants)

# Every model of the table is one of those, or stands in the last column of the table of weakened orderings.
models=$(awk -F' *[|] *' '/^## / { on = /^## The models$/ } on && /^[|] `/ { print $2 }' docs/orderings.md | grep -oE '[a-z_]+')
noticed=$(entries .ci/model-mutants | cut -f 4 | tr ' ' '\n'
  awk -F' *[|] *' '/^## / { on = /^## Weakened, and noticed$/ } on && /^[|] R/ { print $5 }' docs/orderings.md | grep -oE '[a-z_]+')
missing=$(comm -23 <(sort -u <<<"$models") <(sort -u <<<"$noticed"))
[ -z "$missing" ] || die "models that are not known to notice anything:" $missing
echo "$count times a model noticed a fault"
