"""Train or fine-tune a network on folders of images."""

from zoo.trainer.recipe import Recipe
from zoo.trainer.starting import start_run
from zoo.trainer.training import Epoch, Run, Trained, train

__all__ = ["Epoch", "Recipe", "Run", "Trained", "start_run", "train"]
