"""Entry points for torch.hub.

``torch.hub.list``, ``torch.hub.help`` and ``torch.hub.load`` read this file.

torch.hub runs this file before it reads ``dependencies``, and takes every function here for an
entry point.
"""

from pathlib import Path as _Path  # torch.hub.list shows public names

import zoo

dependencies = ["torch"]

# Analytics Zoo is a package called zoo, too; so may be an older checkout that this process has
# loaded before.
_beside = _Path(__file__).resolve().parent / "zoo"
_loaded = _Path(next(iter(getattr(zoo, "__path__", [zoo.__file__])))).resolve()
if _loaded != _beside:
    raise ImportError(
        f"torch.hub needs the package zoo in {_beside}, but Python has loaded another package of "
        f"that name from {_loaded}; start a new Python process that does not import the other one "
        "before torch.hub.load"
    )

# After the guard, which explains a foreign zoo that has no hub. All entry points, and nothing else.
from zoo.hub import *  # noqa: E402, F403
