import sys
from pathlib import Path

# tests are imported by path (importlib mode): stores are made where the contract suite makes them
for folder in ("contracts", "stores"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
