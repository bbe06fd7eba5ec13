"""The channel `log`: a file with one JSON line a message."""

import os
from pathlib import Path

from dpm_assets.alerts.channels import DeliveryFailed
from dpm_assets.alerts.messages import Message


class LogFile:
    name = "log"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    def send(self, message: Message) -> None:
        """Returns when the line is on the disk. Readable by its owner alone, like the server's logs."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                line = f"{message.as_json()}\n".encode()
                # A line that was cut off by a full disk or a kill is ended first, so that it spoils no other.
                length = os.fstat(file).st_size
                if length and os.pread(file, 1, length - 1) != b"\n":
                    line = b"\n" + line
                if os.write(file, line) != len(line):
                    raise DeliveryFailed("the disk is full")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise DeliveryFailed(f"the file cannot be written: {error.strerror}") from None
