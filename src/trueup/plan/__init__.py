"""Wanted and live objects in, ordered steps and their reasons out. Pure; called by ``delivery`` and shown by CLI and web."""
