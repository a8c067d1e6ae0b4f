import sys
from pathlib import Path

# tests are imported by path (importlib mode): this is how they find what makes their messages
sys.path.insert(0, str(Path(__file__).parent))
