"""A kept model over HTTP: `rows` reads requests, `answers` predicts, the rest is LitServe's.

Everything but `rows` and `answers` needs the extra `serve`.
"""
