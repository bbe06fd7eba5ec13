#!/bin/sh
# Runs a command with the secrets of /run/secrets in its environment, which is where dpm and Dagster look for them: the
# file dpm_database_url becomes DPM_DATABASE_URL. A variable that is set already stays.
set -eu
for file in "${DPM_SECRETS:-/run/secrets}"/dpm_*; do
    [ -r "$file" ] || continue
    name=$(basename "$file" | tr '[:lower:]' '[:upper:]')
    eval "given=\${$name:-}"
    [ -n "$given" ] || export "$name=$(cat "$file")"
done
case "$*" in
    # The runs of a code server end with it; nobody else notices. It starts all the same when that cannot be told.
    "dagster api grpc "*) python -m dpm_assets.service.interrupted || true ;;
esac
exec "$@"
