"""Drawings of measurements: a scatter of error against cost, as PNG, SVG or a page with hover."""
