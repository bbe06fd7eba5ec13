"""The one error that a user of the warehouse is meant to read, and the one code of our own in PostgreSQL's."""

NOT_HOT = "DPM01"
"""The SQLSTATE of whatever is refused because a month or year is in the archive, or on its way."""


class DpmError(Exception):
    """Something the user can mend. The message is one or two sentences: what is wrong, where, and what to do next."""
