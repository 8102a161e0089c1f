"""One function per use case, named as the stage it is. What they need from outside is in `foedus.flow.ports`."""
