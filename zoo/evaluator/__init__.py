"""What a network is worth on labelled pictures, beside what its publisher says."""

from zoo.evaluator.evaluation import Subject, evaluate, find_subject
from zoo.evaluator.results import Evaluation

__all__ = ["Evaluation", "Subject", "evaluate", "find_subject"]
