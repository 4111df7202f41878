"""The command line: one file per verb, read in by name when asked for, so that `--help` starts fast."""
