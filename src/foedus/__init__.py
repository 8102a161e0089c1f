"""Foedus turns a supercomputing memorandum of understanding into a running system."""

__version__ = "0.1.0"
