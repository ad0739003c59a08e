"""Images: open one, find those of a folder, prepare them for a network.

::

    files.py       open an image, refusing what is none
    folders.py     a folder with a subfolder for each class
    preprocess.py  resize, center crop, normalize, as a record says
"""
