#!/usr/bin/env bash
# Install the Debian packages that tests and measurements use: graphviz (pictures of cells), nginx, aria2 and curl
# (peers to measure against), strace (faults at a chosen system call). What is there already is left alone; where they
# cannot be installed, the tests that need them skip and say so.
set -euo pipefail

declare -A package_of=([dot]=graphviz [nginx]=nginx-light [aria2c]=aria2 [curl]=curl [strace]=strace)
missing=()
for program in "${!package_of[@]}"; do
  command -v "$program" >/dev/null || [[ -x /usr/sbin/$program ]] || missing+=("${package_of[$program]}")
done
((${#missing[@]})) || exit 0
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
  echo "not root on Debian: please install ${missing[*]} yourself, or tests that need them skip" >&2
  exit 0
fi
echo "installing ${missing[*]} ..." >&2
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -qq --yes --no-install-recommends "${missing[@]}"; } >/dev/null ||
  echo "could not install ${missing[*]}: the tests that need them skip" >&2
