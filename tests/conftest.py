"""What all tests share: each `fixtures_*.py` beside this file brings its fixtures."""

from pathlib import Path

pytest_plugins = [f"tests.{file.stem}" for file in sorted(Path(__file__).parent.glob("fixtures_*.py"))]
