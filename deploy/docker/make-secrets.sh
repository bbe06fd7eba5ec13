#!/bin/sh
# Makes the secrets that compose.yaml names, once, in the folder secrets beside it (or the one given): random passwords, and
# the URLs with them. Only this user can enter the folder; the files in it are readable, since a container's user is another.
set -eu
folder=${1:-$(dirname "$0")/secrets}
umask 022
mkdir -p "$folder"
chmod 700 "$folder"
random() { LC_ALL=C tr -dc 'A-Za-z0-9' < /dev/urandom | head -c 40; }
once() { [ -e "$folder/$1" ] || printf '%s' "$2" > "$folder/$1"; }
once postgres_password "$(random)"
once service_password "$(random)"
service=$(cat "$folder/service_password")
once dpm_database_url "postgresql://dpm_service:$service@${DPM_DATABASE_HOST:-db:5432}/dpm"
once dpm_dagster_url "postgresql+psycopg2://dpm_service:$service@${DPM_DATABASE_HOST:-db:5432}/dagster"
