import sys
from pathlib import Path

# tests are imported by path (importlib mode): this makes the module `messages` importable
sys.path.insert(0, str(Path(__file__).parent))
