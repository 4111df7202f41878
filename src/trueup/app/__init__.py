"""Composition: the only place that names concrete classes of every room and puts them together."""
