#!/usr/bin/env bash
# Install the Debian packages that tests and measurements use: graphviz (images of cells), nginx, aria2 and curl
# (peers to measure against), strace (faults at a chosen system call), a browser without windows, a token in software
# (PKCS#11). What is there already is left alone; where they cannot be installed, the tests that need them skip and say so.
set -euo pipefail
cd "$(dirname "$0")/.."

# axe-core checks the site's pages for accessibility; the tests hold it against its digest.
axe=build/axe/node_modules/axe-core/axe.min.js
if [[ ! -f $axe ]] && command -v npm >/dev/null; then
  npm install --prefix build/axe --ignore-scripts --no-audit --no-fund --silent axe-core@4.14.1 >/dev/null ||
    echo "could not fetch axe-core: the tests that need it skip" >&2
fi

declare -A package_of=([dot]=graphviz [nginx]=nginx-light [aria2c]=aria2 [curl]=curl [strace]=strace [chromium-headless-shell]=chromium-headless-shell [softhsm2-util]=softhsm2)
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
install() {
  apt-get install -qq --yes --no-install-recommends "$1" >/dev/null
}
apt-get update -qq >/dev/null || true
for package in "${missing[@]}"; do
  install "$package" || { [[ $package == chromium-headless-shell ]] && install chromium; } ||
    echo "could not install $package: the tests that need it skip" >&2
done
