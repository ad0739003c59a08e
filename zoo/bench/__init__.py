"""Measure models: what a cell is, one run of it, a session of many, and what the values say."""
