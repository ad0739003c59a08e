"""Images: open one, find those of a folder, prepare them for a network.

::

    files.py       find images, and open one, refusing what is none
    pixels.py      from the values of a file to red, green and blue of 8 bits
    folders.py     a folder with a subfolder for each class
    given.py       an image however a caller of the Python API has it
    preprocess.py  resize, center crop, normalize, as a record says
    augment.py     random changes, for training
    stream.py      do that in threads, and take the results in order
"""
