"""Ed25519 keys in files, and what is signed with them."""
