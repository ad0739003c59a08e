"""What the clients of each ecosystem ask, and how they are answered: one module an ecosystem.

::

    weights.py       files by their public address: torchvision, load_state_dict_from_url
    github.py        hub repositories: torch.hub
    huggingface.py   models of the Hub: huggingface_hub, timm
"""
