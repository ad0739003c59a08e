"""Strategies: what proposes the next genotype. One file a strategy.

::

    protocol.py     ask and tell; the task of a strategy
    random.py       random search, the baseline
    evolution.py    regularized evolution, with aging (Real et al. 2018)
    progressive.py  progressive search, cells grow block by block (Liu et al. 2017)
    predictor.py    the ensemble that progressive search ranks with
    warm_start.py   the first answers of another strategy by zero-cost scores
    known.py        all of them by name
"""
