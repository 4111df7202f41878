"""Admission plugins of the embedded API server, one file each; `opening` puts them in order."""
