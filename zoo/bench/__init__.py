"""Measure models: what a case is, one run of it, a session of many, and what the values say.

::

    records.py                      words: what is measured, how, and what came out
    plan.py                         which cases, decided before any is measured
    session.py jobs.py processes.py obey a plan: a process for each run, and its answer
    worker.py runner.py             such a process: build the network, check it, take the values
    models.py inputs.py             the network of a case, and what it is given
    correctness.py                  whether an engine answers as the network does
    timing.py clocks.py batches.py  the timing loop; clocks of devices; the best batch
    environment.py machine.py       the machine and the software under a measurement
    sampling.py yardstick.py        what a device does meanwhile; how fast the machine is just now
    scratch.py                      what runs leave on the disk, removed
    stations.py fleet.py            the same on other machines
    files.py results.py summary.py  results as files, as rows, as lines
    statistics.py ranks.py          what values say; how two samples differ
    stability.py comparability.py   whether values can be trusted, and compared
    compare.py ranking.py           two files beside each other; machines for models
    ceilings.py roofline.py         what a device reaches at most, and how near a model comes
    chart.py sharing.py             draw results, share them
    api.py                          ``zoo.bench``

The package can be called: ``zoo.bench("resnet18")`` is :func:`zoo.bench.api.bench`.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    """A package that does what its main function does: a function of its name would hide it."""

    def __call__(self, *models: str, **options: Any) -> Any:
        """Measure models; see :func:`zoo.bench.api.bench`."""
        from zoo.bench.api import bench

        return bench(*models, **options)


sys.modules[__name__].__class__ = _CallableModule
