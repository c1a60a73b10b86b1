"""Install the oldest libraries that balign's exports are tried with, in a folder of their own.

`python -m tests.readers.old_libraries FOLDER`; then BALIGN_OLD_LIBRARIES=FOLDER lets tests/readers use it. The folder
goes before the site-packages of this Python, whose torch and everything else serve both.
"""

import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).with_name("old-libraries.txt")


def install(folder: Path) -> None:
    # No dependencies: these are today's; --no-compile: only the modules that are imported get compiled.
    options = ["--quiet", "--no-compile", "--no-deps", "--upgrade", "--target", str(folder), "-r", str(LIST)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options], check=True)


if __name__ == "__main__":
    install(Path(sys.argv[1]))
