"""Health of live objects: one object in, a judgement out. Pure; called by ``plan``, ``delivery`` and the families."""
