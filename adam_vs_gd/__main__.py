"""`python -m adam_vs_gd`, for where the script is not on the path."""

import sys

from adam_vs_gd.cli import main

sys.exit(main())
