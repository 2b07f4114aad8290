"""The ports on what is not Google's: Alembic, PostgreSQL, Terraform. One file a tool, imported where it is used."""
