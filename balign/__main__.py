"""`python -m balign`: the command line."""

import sys

from balign.cli import main

sys.exit(main())
