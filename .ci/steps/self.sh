#!/usr/bin/env bash
# .ci/run fails when it should: when a step fails, is skipped without leave, is not there, or changes the source tree
source .ci/lib.sh
copy=$(mktemp -d)
mkdir -p "$copy/.ci/steps"
cp .ci/run .ci/lib.sh "$copy/.ci/"
step() { printf '#!/usr/bin/env bash\n# a step\nsource .ci/lib.sh\n%s\n' "$2" >"$copy/.ci/steps/$1.sh"; }
step good 'run true'
step bad 'run false'
step piped 'false | cat'
step skipped 'skip "not here"'
step allowed 'skip "not here"'
step absent 'run true'
step dirty 'touch left-over'
step unlisted 'printf "test b ... ok\n" >log; echo a >list; same_tests list log'
printf 'allowed host\nabsent absent\n' >"$copy/.ci/may-skip"
printf 'log\nlist\n' >"$copy/.gitignore"
git -C "$copy" init -q
git -C "$copy" add -A
git -C "$copy" -c user.name=ci -c user.email=ci@localhost commit -qm 'steps that end in each way'
# ends WANTED STEP...: whether .ci/run ends with 0 or not, and says so.
ends() {
  local wanted=$1 status=0 log
  shift
  log=$(bash "$copy/.ci/run" "$@" 2>&1) || status=1
  [ "$status" -eq "$wanted" ] || die "$*: ends with $status, not $wanted: $log"
  if [ "$status" -eq 0 ]; then grep -q '^== all ok' <<<"$log"; else grep -q 'FAILED' <<<"$log"; fi || die "$*: says: $log"
  echo "$*: $([ "$status" -eq 0 ] && echo passes || echo fails), as it should"
}
ends 0 good
ends 0 good allowed
ends 1 good bad
ends 1 bad good
ends 1 piped
ends 1 skipped
ends 1 absent
ends 1 unlisted
ends 1 missing
ends 1 dirty
rm -rf "$copy"
