"""`python -m lit_causalmix`: the same as the `lit-causalmix` command."""

import sys

from lit_causalmix.cli import main

sys.exit(main())
