"""YAML and arguments → objects: the parser, what it reads, and what it may build."""

from lit_causalmix.configuration.files import config_folder, with_packaged_configs
from lit_causalmix.configuration.parser import ConfiguredCLI, Parser

__all__ = ["ConfiguredCLI", "Parser", "config_folder", "with_packaged_configs"]
