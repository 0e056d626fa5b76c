"""`python -m lit_causalmix`: the same as the `lit-causalmix` command."""

import sys

from lit_causalmix.commands.main import main

sys.exit(main())
