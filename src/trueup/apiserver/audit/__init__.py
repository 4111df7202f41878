"""The audit log: which requests are told of (`policy`), what is told (`event`, `recorder`), and where to (`log`)."""
