"""What a search found, of its journal alone."""

from __future__ import annotations

from tests.support.table_search import make_setup
from zoo.searcher.report import SearchReport, TrialReport
from zoo.searcher.space import Space

GENOTYPE = Space(1, ("identity",)).first()[0]


def test_the_front_has_no_trial_that_another_equals_in_error_with_fewer_parameters() -> None:
    """Errors on a few images are often equal; which trial came first says nothing."""
    figures = [(10.0, 2000), (10.0, 1000), (20.0, 1000), (5.0, 3000), (30.0, 500)]
    trials = [
        TrialReport(number, GENOTYPE, parameters, 1, 0.0, 4, error, outcome="whole")
        for number, (error, parameters) in enumerate(figures, start=1)
    ]
    report = SearchReport("found", make_setup(), trials, None, None)
    assert [trial.number for trial in report.front] == [5, 2, 4]
