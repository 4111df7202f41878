"""Custom resource families, one folder each, all of one shape. `app.py` finds them by listing this folder."""
