"""The YAML files that the command line reads."""
