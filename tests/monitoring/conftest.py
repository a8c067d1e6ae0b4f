"""Simulated days: as tallies, many in no time, and on a real store, through the real pipeline."""

import sys
from pathlib import Path

# tests are imported by path (importlib mode): this is how they find what they share
sys.path.insert(0, str(Path(__file__).parent))
