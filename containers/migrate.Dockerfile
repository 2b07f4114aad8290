# The image of the Cloud Run job `migrate-db`: brconsole's migration job and the Alembic project that it runs.
#
# The pipeline builds it from the same commit as the service, so that what is migrated is what is released:
#
#   docker build -f containers/migrate.Dockerfile --build-arg BRCONSOLE=brconsole --build-arg PROJECT=backend \
#     -t REGION-docker.pkg.dev/PROJECT_ID/bytereview/migrate:COMMIT .
#   docker push …        # its digest is what a release is claimed with; the console pins the job to …@sha256:…
#
# Where the service's own image holds the migrations and brconsole, no second image is wanted: give the job that image
# and the entry point below as its command. Then the digest of the job is the digest of the canary, which the release
# gate compares.
#
# Once, in each environment (max-retries 0: a migration that failed is looked at before it is run again; the task's
# timeout must be longer than STATEMENT_TIMEOUT_MS):
#
#   gcloud run jobs create migrate-db --region REGION --image …@sha256:… --max-retries 0 --tasks 1 --task-timeout 30m \
#     --service-account migrate-run@PROJECT_ID.iam.gserviceaccount.com \
#     --set-secrets DATABASE_URL=database-url:latest --set-cloudsql-instances PROJECT_ID:REGION:INSTANCE
#
# DATABASE_URL is a secret and comes from Secret Manager only. Over Cloud SQL's socket it reads
# postgresql://USER:PASSWORD@/DATABASE?host=/cloudsql/PROJECT_ID:REGION:INSTANCE. It must lead to the server itself: a
# pooler that shares sessions (pgbouncer in transaction mode) does not carry the lock that keeps two runs apart.
# RELEASE_ID, PLAN_HASH, EXPECTED_HEAD and IMAGE_DIGEST are the console's to give, with each execution.

FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH

# What to install: brconsole's requirement (a version, a wheel in the build context), then the project's libraries.
ARG BRCONSOLE=brconsole
ARG PROJECT=.
COPY . /src
RUN pip install "$BRCONSOLE" \
 && if [ -f "/src/$PROJECT/requirements.txt" ]; then pip install -r "/src/$PROJECT/requirements.txt"; fi

FROM python:3.13-slim

ARG PROJECT=.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent migrate
COPY --from=build /venv /venv
COPY --chown=root:root ${PROJECT} /project

ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ALEMBIC_CONFIG=/project/alembic.ini

# Nothing in the image is the job's to change.
USER 10001
WORKDIR /project
ENTRYPOINT ["python", "-m", "brconsole.jobs.migrate"]
