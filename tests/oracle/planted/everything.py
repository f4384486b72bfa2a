"""Import this, and all that is planted is in `registry.ALL`."""

import importlib

from planted import MODULES

for name in MODULES:
    importlib.import_module(f"planted.{name}")
