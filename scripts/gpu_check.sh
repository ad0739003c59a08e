#!/bin/bash
# Check this checkout on a machine with a GPU, in at most 8 minutes, and keep what was measured.
#
#   scripts/gpu_check.sh --wheels-into wheels    where there is a network: fetch what a bare machine lacks
#   scripts/gpu_check.sh --wheels wheels         on that machine, which needs torch, torchvision and timm
#
# It stops by itself; the most valuable parts come first. Results go to docs/benchmarks/<card>, with raw
# values, tables and plots. Everything else it takes: scripts/gpu_check.sh --help. PYTHON chooses an interpreter.
set -e
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if [ "$1" = --wheels-into ]; then
  folder=${2:?name a folder: scripts/gpu_check.sh --wheels-into wheels}
  exec "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version "${WHEELS_FOR:-3.12}" \
    --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --platform any \
    --constraint constraints.txt --dest "$folder" --requirement scripts/gpu_check_wheels.txt
fi
exec "$python" scripts/gpu_check.py "$@"
