"""One page about a study: its verdict, its tables and its figures."""
