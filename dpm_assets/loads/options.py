"""What a load is asked for beside its file."""

from dataclasses import dataclass, field

from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.rejects import RejectLimit
from dpm_assets.loads.retried_rejects import Retry
from dpm_assets.loads.staging import Progress
from dpm_assets.loads.turns import Turn
from dpm_assets.settings import settings


@dataclass(frozen=True)
class Options:
    """`complete`: the file holds all there is of its feed. `replace_days`: it holds all of the account-days in it."""

    limit: RejectLimit
    full_history: bool = False
    complete: bool = False
    replace_days: bool = False
    progress: Progress | None = None
    retry: Retry | None = None
    turn: Turn = field(default_factory=Turn)

    @property
    def correction_days(self) -> int | None:
        """How far either side of its new date the old copy of a row is looked for; None: everywhere."""
        return None if self.full_history else settings().correction_days

    @property
    def named(self) -> list[str]:
        """As the ledger keeps them."""
        given = {"full history": self.full_history, "complete": self.complete, "replace days": self.replace_days}
        return [name for name, chosen in given.items() if chosen]

    def check(self, feed: Feed) -> None:
        """Raises DpmError when something was asked for that the feed has no meaning for."""
        if self.replace_days and not feed.dated_by:
            raise DpmError(
                f"--replace-days is for closed trades; rows of the feed {feed.name} have no account-day. Leave it out."
            )
        if self.complete and not feed.complete:
            raise DpmError(
                f"--complete is for open trades; the feed {feed.name} keeps what a file does not hold. Leave it out."
            )
