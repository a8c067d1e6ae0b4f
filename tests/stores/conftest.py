import sys
from pathlib import Path

# tests are imported by path (importlib mode); the contract suite's places for stores are used here, too
for folder in ("contracts", "stores"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
