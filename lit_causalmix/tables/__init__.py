"""Tables: sources, typed columns, splits and encoding."""
