"""The pages of docs/reference, written from what they describe: the commands, the settings, the catalogue of a database."""
