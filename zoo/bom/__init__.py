"""Bills of materials: which models, weights and repositories a project or a mirror consists of.

::

    licenses.py      license names as SPDX writes them
    parts.py         from names, a lock file or a mirror to the parts of a bill
    cyclonedx.py     parts as a CycloneDX 1.6 machine-learning bill
    spdx.py          parts as SPDX 3.0 JSON
"""
