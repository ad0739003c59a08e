"""Drawings of measurements: a scatter of error against cost, as PNG, SVG or a page with hover.

::

    scatter.py   what to draw, and drawing it with matplotlib
    page.py      the same as one HTML file with hover
    drawing.py   the one of both that a file's ending names
    choice.py    what ``zoo choose`` chose, as such a drawing
"""
