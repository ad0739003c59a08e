"""What would a project fetch, and what about that should be otherwise? Sources are read, never run.

::

    findings.py      rules, findings, places: the words of an audit
    scopes.py        what a name means in a source: imports, aliases, constants
    arguments.py     the arguments of one call
    clients.py       the calls that fetch: torch.hub, torchvision, timm, Hugging Face, addresses
    python_code.py   from a Python source to its uses
    notebooks.py     from a notebook's cells to their uses
    configs.py       from a configuration to its uses
    knowledge.py     what else is known: the registry, the lock file
    holdings.py      what a mirror or a bundle holds
    rules.py         from a use to its findings
    audit.py         find the files of a project, read and judge them
    fixes.py         write the pins that the lock file knows
    sarif.py         findings as SARIF 2.1.0
    settings.py      what a project says about its audits in pyproject.toml
"""
