"""The signed document that binds the partners: what it says, whether it is sound, who signed it, what it admits."""
