import sys
from pathlib import Path

# importlib mode does not put the test folder on sys.path; the tests import the reference implementation from it
sys.path.insert(0, str(Path(__file__).parent))
