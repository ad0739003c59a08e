#!/bin/bash
# Test with an older torch that pyproject.toml allows, in an environment of its own.
#
#   scripts/test_range.sh              torch 2.10 and torchvision 0.25, the oldest
#   scripts/test_range.sh 2.11 0.26    others
#   TESTS="tests/bench" scripts/test_range.sh
#
# PYTHON chooses an interpreter, RANGE_PYTHON one that has everything already. Tests decide; what this
# torchvision lacks or has otherwise than the registry, which is made with a newer one, is said at the end.
set -e
cd "$(dirname "$0")/.."
torch=${1:-2.10} vision=${2:-0.25}
tests=${TESTS:-tests/engines tests/bench tests/executors tests/loader tests/evaluator tests/models tests/trainer
  tests/test_optimizer.py tests/test_predictor.py tests/test_hub.py}

python=$RANGE_PYTHON
if [ -z "$python" ]; then
  folder=.venv-torch-$torch
  "${PYTHON:-python3}" -m venv "$folder"
  python=$folder/bin/python
  "$python" -m pip install --quiet "torch==$torch.*" "torchvision==$vision.*" --editable '.[plot,bench,train,timm]' \
    cryptography hypothesis packaging pytest scikit-learn
fi
"$python" -c 'import sys, torch, torchvision; print("Python", sys.version.split()[0], "torch", torch.__version__,
  "torchvision", torchvision.__version__)'
"$python" -m pytest -q -m 'not slow' $tests

echo "otherwise than in the registry, which is no failure:"
"$python" -c 'from zoo.catalog.registry import load_registry
from zoo.curator.building import list_names
there = set(list_names())
for name in load_registry().architectures:
    if name not in there:
        print(f"{name}: this torchvision lacks it")'
status=0
# By name: those of timm would all be counted anew, for figures belong to a version of torch.
names=$("$python" -c 'from zoo.curator.building import list_names; print(*list_names())')
"$python" -m zoo registry check --quiet $names || status=$?
[ "$status" -le 1 ]
