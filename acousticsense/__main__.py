"""`python -m acousticsense` is the command `acousticsense`."""

import sys

from acousticsense.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
