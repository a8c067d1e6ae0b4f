import sys
from pathlib import Path

# tests are imported by path (importlib mode): messages are made as those of processing
sys.path.insert(0, str(Path(__file__).parents[1] / "processing"))
