"""The one error that a user of the warehouse is meant to read."""


class DpmError(Exception):
    """Something the user can mend. The message is one or two sentences: what is wrong, where, and what to do next."""
