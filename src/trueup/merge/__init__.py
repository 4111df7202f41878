"""Several documents into one, or their difference. Pure."""
