"""Makes the message builders of tests/processing importable."""

import sys
from pathlib import Path

# in importlib mode, tests cannot import from other folders otherwise
sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))
