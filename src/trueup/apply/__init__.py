"""The one hand that writes to a target cluster: steps in, API calls out. Called by ``delivery``."""
