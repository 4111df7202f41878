"""The line from sources to live objects, over ports alone: desire, plan, advance. Called by the dialects in ``families``."""
