"""Makes the shared test modules of this folder importable."""

import sys
from pathlib import Path

# in importlib mode, tests cannot import their siblings otherwise
sys.path.insert(0, str(Path(__file__).parent))
