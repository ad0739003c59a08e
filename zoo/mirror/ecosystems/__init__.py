"""One object for each kind of upstream with its clients; nobody else asks what kind a thing is.

::

    protocol.py      what is asked of them
    huggingface.py   models of the Hub: huggingface_hub, timm
    modelscope.py    models of ModelScope: its own client
    weights.py       files by their public address: torchvision, load_state_dict_from_url
    github.py        hub repositories: torch.hub
    known.py         all of them, and what they say together
"""

from __future__ import annotations

NAMES = (
    "huggingface",
    "modelscope",
    "weights",
    "github",
)
"""The modules, in the order in which they are asked whether a request or a spec is theirs.

A new ecosystem is a file with an ``ECOSYSTEM`` and a line here.
"""
