#!/bin/bash
# At the first start of the database's container: the login of the service, no superuser, and the two databases that it owns.
set -euo pipefail
# In the environment: the arguments of a process can be read by every user of the machine.
SERVICE_PASSWORD=$(cat "${DPM_SECRETS:-/run/secrets}/service_password")
export SERVICE_PASSWORD
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password SERVICE_PASSWORD
create role dpm_service login createrole createdb password :'password';
create database dpm owner dpm_service;
create database dagster owner dpm_service;
SQL
