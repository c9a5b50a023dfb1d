#!/usr/bin/env bash
# README's test command
source .ci/lib.sh
run cargo test --locked
