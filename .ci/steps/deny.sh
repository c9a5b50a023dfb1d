#!/usr/bin/env bash
# licences, sources and bans of both dependency trees
source .ci/lib.sh
need_tool deny
for manifest in Cargo.toml fuzz/Cargo.toml; do
  run cargo fetch --locked --manifest-path "$manifest"
  run cargo deny --offline --manifest-path "$manifest" check bans licenses sources
done
