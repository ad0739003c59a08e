"""Entry points for torch.hub: ``torch.hub.list``, ``torch.hub.help`` and ``torch.hub.load`` read this file.

torch.hub runs this file before it reads ``dependencies``, and takes every function here for an entry point.
"""

from pathlib import Path as _Path  # torch.hub.list shows public names

import zoo

dependencies = ["torch"]

# Analytics Zoo is a package called zoo, too; so may be an older checkout that this process has loaded before.
_beside = _Path(__file__).resolve().parent / "zoo"
_loaded = _Path(next(iter(getattr(zoo, "__path__", [zoo.__file__])))).resolve()
if _loaded != _beside:
    raise ImportError(
        f"torch.hub needs the package zoo in {_beside}, but Python has loaded another package of that name from "
        f"{_loaded}; start a new Python process that does not import the other one before torch.hub.load"
    )

from zoo.hub import (  # noqa: E402  # after the guard, which explains a foreign zoo that has no hub
    alexnet_2012,
    cnnnet,
    googlenet_2014,
    lenet5,
    mobilenet_v1_025,
    mobilenet_v1_050,
    mobilenet_v1_075,
    mobilenet_v1_100,
    nasnet_a_large,
    nasnet_a_mobile,
    pnasnet_5_large,
    pnasnet_5_mobile,
)

__all__ = [
    "alexnet_2012",
    "cnnnet",
    "dependencies",
    "googlenet_2014",
    "lenet5",
    "mobilenet_v1_025",
    "mobilenet_v1_050",
    "mobilenet_v1_075",
    "mobilenet_v1_100",
    "nasnet_a_large",
    "nasnet_a_mobile",
    "pnasnet_5_large",
    "pnasnet_5_mobile",
]
