import sys
from pathlib import Path

# The bench is a folder of scripts that import each other by name.
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
