"""What a weights file is, read without running it.

::

    record.py             FileFormat, the record of a format
    description.py        what a file describes: tensors, and where their bytes lie
    scan_result.py        what a scan has found: layout, imports, faults
    pickle_values.py      what a pickle describes: plain values and places of tensors
    opcodes.py            what a refused pickle would import and use
    zip_archive.py        the zip archive of ``torch.save``, checked byte by byte
    pickle_file.py        a checkpoint that torch.save wrote: every storage held against its bytes
    safetensors_file.py   the safetensors format
    known.py              all formats, and the one that a file has
    checkpoint.py         the front door: any of them
    files.py              files that are called like weights
    zeros.py              tensors that hold nothing but zeros
    training_metadata.py  what ``zoo train`` writes about itself into a file's metadata

Nothing here imports torch or numpy.
"""

from __future__ import annotations

FORMATS: dict[str, tuple[str, ...]] = {
    "safetensors_file": (".safetensors",),
    "pickle_file": (".pth", ".pt", ".pth.tar", ".bin", ".ckpt", ".tar", ".pkl", ".pickle", ".th"),
}
"""The modules with records, and how files of each format end. A file is of the first format that it
begins like, or else of the last. A new format is a file and a line here.
"""
