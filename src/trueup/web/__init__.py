"""The web UI: a few pages over units, live. Sees `ports` and `family` alone; the `app` room hands in the rest."""
