"""Phase diagrams of test error for Adam against gradient descent.

The public names are listed in `__init__.pyi`; each is imported when it is first used, so that `import adam_vs_gd` and
`adam-vs-gd --help` cost nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
