"""The web UI: a few pages over units, live. Sees `ports` and `family` alone; `app.py` hands in the rest."""
