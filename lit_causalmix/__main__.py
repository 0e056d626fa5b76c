"""`python -m lit_causalmix`: the same as the `lit-causalmix` command."""

import os
import sys

# With -m, Python puts the working directory first, where a file of the user, such as yaml.py, would
# stand in for a library; the command itself makes it importable behind all others.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from lit_causalmix.commands.main import main

sys.exit(main())
