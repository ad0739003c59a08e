#!/usr/bin/env bash
# A short real session, as a newcomer would type it. Usage: scripts/session.sh BIN, the folder that holds zoo and python.
set -euo pipefail
bin=$1

say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

say "zoo list --sort top5-error --limit 15"
"$bin/zoo" list --sort top5-error --limit 15

say "zoo inspect resnet18"
"$bin/zoo" inspect resnet18

say 'python -c "torch.hub.load(this checkout, ...)"'
"$bin/python" - <<'PYTHON'
import torch

lenet = torch.hub.load(".", "lenet5", source="local", pretrained=True)
print("lenet5, trained:", lenet(torch.zeros(1, 1, 32, 32)).shape)
cnnnet = torch.hub.load(".", "cnnnet", source="local")
print("cnnnet, random weights:", cnnnet(torch.zeros(1, 3, 224, 224)).shape)
PYTHON

say "zoo bench --device auto lenet5 squeezenet1_1"
"$bin/zoo" bench --device auto lenet5 squeezenet1_1

folder=$(cd "$bin" && pwd)
cat <<TEXT

That was zoo, installed in $folder. To have it in this shell, and then to see what there is:

    source $folder/activate
    zoo --help

README.md has the next steps, docs/tutorial/ the chapter, docs/install.md what brings what.
TEXT
