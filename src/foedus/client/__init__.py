"""The Python client: one core without I/O, with a synchronous and an asynchronous face."""
