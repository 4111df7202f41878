"""Where the embedded API server keeps its objects: an append-only log on disk, the present and its recent past in memory."""
