"""The version of nnspec: read by the build, by `nnspec --version` and by the header of emitted files."""

__version__ = "0.1.0"
