"""The versions of Kubernetes that are known, by themselves: commands name them without loading any version's kinds."""

DEFAULT_VERSION = "1.36"
VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
