"""What a network is worth on labelled images, beside what its publisher says."""

from zoo.evaluator.engines import compare_engines, evaluate_with
from zoo.evaluator.evaluation import evaluate
from zoo.evaluator.results import EngineComparison, Evaluation

__all__ = ["EngineComparison", "Evaluation", "compare_engines", "evaluate", "evaluate_with"]
