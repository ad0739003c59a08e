"""Train or fine-tune a network on folders of images.

::

    recipe.py           what a training run is told; knows no torch
    starting.py         from a name and a folder to a run that can begin
    data.py             from folders of images to batches
    training.py         the loop, on one process or many
    checkpoints.py      the files of a run: the last state, and the best network
    optimizer_state.py  whether what a run kept of its optimizer fits
    curves.py logs.py   an image of a run; logs for TensorBoard
    hints.py            what its figures say to someone who knows the signs
"""

from zoo.trainer.recipe import Recipe
from zoo.trainer.starting import start_run
from zoo.trainer.training import Epoch, Run, Trained, train

__all__ = ["Epoch", "Recipe", "Run", "Trained", "start_run", "train"]
