"""Engines: what runs a network. One file an engine, each a record that every command reads.

::

    record.py       Engine, the record; Request, what an engine is handed
    precision.py    numbers: fp32, tf32, fp16, bf16, autocast, int8; memory formats
    outputs.py      results of networks: their tensors, how far two are apart
    folding.py      fold batch norms into the layers before them
    eager.py        PyTorch as it is
    compile.py      torch.compile
    aotinductor.py  the same compiler, ahead of time, into a shared library
    cudagraphs.py   one call captured and replayed
    onnxruntime.py  ONNX Runtime
    openvino.py     OpenVINO
    tensorrt.py     Torch-TensorRT
    optimize.py     any of these behind folded batch norms, channels-last
    known.py        all records, and the one that a name means
    prepared.py     a network made ready: any batch in, plain tensors out

Records import neither torch nor another package: what an engine needs is imported when it is used.
"""

from __future__ import annotations

NAMES = (
    "eager",
    "compile",
    "aotinductor",
    "cudagraphs",
    "onnxruntime",
    "openvino",
    "tensorrt",
    "optimize",
)
"""The modules with records, in the order of lists. A new engine is a file and a line here."""
