"""Open the studio: `python app.py`. GRADIO_SERVER_NAME and GRADIO_SERVER_PORT say where."""

import sys

from balign.host import disk
from balign.refusal import Refusal
from balign.ui.studio import build, options

try:
    disk.check_root()
    demo = build()
except Refusal as refusal:
    sys.exit(str(refusal))

if __name__ == "__main__":
    demo.launch(**options())
