"""One place for weights and hub repositories, for clients that know nothing of it.

A mirror is a folder of files that any web server can serve (:mod:`zoo.mirror.layout`) and a catalogue of them
(:mod:`zoo.mirror.catalogue`). :mod:`zoo.mirror.sync` fills it; :mod:`zoo.mirror.server` serves it in the dialects of
torch.hub, torchvision and Hugging Face.
"""
