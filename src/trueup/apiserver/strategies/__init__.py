"""Strategies of the built-in kinds, one file per API group; `table` finds a kind's."""
