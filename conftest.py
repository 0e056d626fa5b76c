"""Modules whose examples need an extra that is not installed are not collected."""

from importlib.util import find_spec

SERVING = [f"lit_causalmix/serving/{name}.py" for name in ("api", "server")]

collect_ignore = [] if find_spec("litserve") else SERVING
