#!/bin/bash
# At the first start of the database's container: the login of the service, no superuser, and the two databases that it owns.
set -euo pipefail
password=$(cat "${DPM_SECRETS:-/run/secrets}/service_password")
psql --set=ON_ERROR_STOP=1 --set=password="$password" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
create role dpm_service login createrole createdb password :'password';
create database dpm owner dpm_service;
create database dagster owner dpm_service;
SQL
