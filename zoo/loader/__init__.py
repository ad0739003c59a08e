"""From a record and a file to a ready network.

::

    loading.py           ``zoo.load_model``: from a spec to a network that is ready
    construction.py      build an architecture from its record
    timm_models.py       the same for networks of timm
    borrowed.py          options as users of timm and torchvision type them
    state_dicts.py       tensors from a file, without running code from it
    wrappers.py          take a state dict out of what training programs put around it
    reparametrization.py join again what pruning and weight normalization have split
    adaptation.py        fit a state dict to a network
    finiteness.py        find NaN and infinities
    features.py          features in place of class scores
    converter.py         safetensors copies of pickle files, proven equal
"""

from zoo.loader.loading import load_checkpoint, load_model

__all__ = ["load_checkpoint", "load_model"]
