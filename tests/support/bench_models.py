"""Small networks for the benchmark's tests, some of them ill-behaved.

Named by dotted path, built in the worker.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

import torch
from torch import nn
from torch.nn import functional


def small() -> nn.Module:
    """Two convolutions with batch normalisation and a head of ten, on 3x16x16."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


class _Forgetful(nn.Module):
    """Drops values in inference too: its output is another each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x.flatten(1), 0.5, training=True)


def forgetful() -> nn.Module:
    """A network that no engine can agree with."""
    return _Forgetful()


class _Undefined(nn.Module):
    """Divide nothing by nothing."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) * 0) / 0


def undefined() -> nn.Module:
    """A network whose output is no number."""
    return _Undefined()


class _Branching(nn.Module):
    """Goes one of two ways, as the values say."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:
            return x.flatten(1)
        return -x.flatten(1)


def branching() -> nn.Module:
    """A network that cannot be traced."""
    return _Branching()


class _Hungry(nn.Module):
    """Wants more memory than any machine has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.empty(2**50) + x.sum()


def hungry() -> nn.Module:
    """A network whose call does not fit into memory."""
    return _Hungry()


def crashing() -> nn.Module:
    """End the process as a fault in native code would, after saying something."""
    os.write(2, b"about to touch memory that is not there\n")
    os.kill(os.getpid(), signal.SIGSEGV)
    return small()


def hanging() -> nn.Module:
    """Never return."""
    while True:
        time.sleep(3600)


def talkative() -> nn.Module:
    """Print to stdout, where the answer goes."""
    sys.stdout.write('{"run": "nonsense"}')
    os.write(1, b"a library in C talks too\n")
    return small()


def exporting() -> nn.Module:
    """End the process while a temporary folder is open, as a crash in an exporter would."""
    with tempfile.TemporaryDirectory(prefix="half-exported-"):
        os.kill(os.getpid(), signal.SIGKILL)
    return small()
