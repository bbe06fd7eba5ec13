"""`python -m dpm_assets` is `dpm`."""

from dpm_assets.cli import main

main()
