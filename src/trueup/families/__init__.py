"""Custom resource families, one folder each, all of one shape. the `app` room finds them by listing this folder."""
