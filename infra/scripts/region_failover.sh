#!/usr/bin/env bash
# Brings the cold environment in another region to life, after it was applied with active=true: its database filled, its
# services checked, then (where asked) the public names moved by dr_cutover.sh.
#
#   region_failover.sh --project P --instance DR (--source-instance SRC [--backup ID] | --dump gs://B/O --database D)
#                      [--source-project P2] [--region us-east1] [--service NAME ...]
#                      [--zone Z --name HOST ... --address NAME [--dns-project P3]] [--dry-run] [--yes]
#
#   --project          project of the cold environment
#   --region           its region (default: us-east1)
#   --instance         its Cloud SQL instance, which is overwritten
#   --source-instance  restore a backup of this instance: possible while the key of its region can be reached
#   --source-project   project of that instance (default: --project)
#   --backup           the backup to restore (default: the newest that succeeded)
#   --dump             import this dump instead: it lies in both regions, under a key that does as well
#   --database         the database that the dump goes into, which must be empty
#   --service          Cloud Run service that must be ready before names move; may be repeated (default: all of the region)
#   --zone, --name, --address, --dns-project
#                      as in dr_cutover.sh; without --zone the names stay where they are
#   --dry-run          read everything, print what would be written, write nothing
#   --yes              really write; without it the first write is refused
#
# Each step is read back before the next begins, and a step that is done is not done again: after a failure, run it again
# with the same arguments. An instance that was filled after the backup or the dump was made is not filled a second time.
# Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 not confirmed, 4 an operation on the instance runs.

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

project='' region=us-east1 instance='' source_instance='' source_project='' backup='' dump='' database=''
zone='' address='' dns_project=''
services=() names=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --project) take "$@" && project=$taken && shift ;;
    --region) take "$@" && region=$taken && shift ;;
    --instance) take "$@" && instance=$taken && shift ;;
    --source-instance) take "$@" && source_instance=$taken && shift ;;
    --source-project) take "$@" && source_project=$taken && shift ;;
    --dump) take "$@" && dump=$taken && shift ;;
    --database) take "$@" && database=$taken && shift ;;
    --backup) take "$@" && backup=$taken && shift ;;
    --service) take "$@" && services+=("$taken") && shift ;;
    --zone) take "$@" && zone=$taken && shift ;;
    --name) take "$@" && names+=("$taken") && shift ;;
    --address) take "$@" && address=$taken && shift ;;
    --dns-project) take "$@" && dns_project=$taken && shift ;;
    --dry-run) dry_run=true ;;
    --yes) confirmed=true ;;
    --help | -h) show_help ;;
    *) wrong_usage "unknown argument: $1" ;;
    esac
    shift
done
wanted project --project
wanted instance --instance
if [ -n "$dump" ]; then
    [ -z "$source_instance$backup" ] || wrong_usage "--dump and a backup exclude each other"
    [[ $dump =~ ^gs://[^/]+/.+ ]] || wrong_usage "--dump is gs://BUCKET/OBJECT, not $dump"
    wanted database --database
else
    wanted source_instance --source-instance
fi
source_project=${source_project:-$project}
[ "$source_project/$source_instance" != "$project/$instance" ] || wrong_usage "--instance and --source-instance are the same: the restore would overwrite it"
[[ -z $backup || $backup =~ ^[0-9]+$ ]] || wrong_usage "--backup is a number, not $backup"
if [ -n "$zone" ]; then
    wanted address --address
    [ "${#names[@]}" -gt 0 ] || wrong_usage "--zone wants a --name"
elif [ -n "$address" ] || [ "${#names[@]}" -gt 0 ]; then
    wrong_usage "--zone is missing: --name and --address go with it"
fi
installed gcloud

instance_of_standby() { gcloud sql instances describe "$instance" --project="$project" --format="value($1)"; }

# -- what is there --------------------------------------------------------------------------------------------------

placed=$(instance_of_standby region) || stop "$FAILED" "the instance $instance cannot be read in $project: is infra/envs/dr applied with active=true?"
[ "$placed" = "$region" ] || stop "$FAILED" "$instance is in ${placed:-no region}, not in $region: that is not the cold environment"

if [ -n "$dump" ]; then
    made=$(gcloud storage objects describe "$dump" --format='value(update_time)') ||
        stop "$FAILED" "$dump cannot be read; an earlier version of it: gcloud storage ls $dump --all-versions"
    kind=IMPORT
    say "dump $dump, made $made"
else
    choice=(--limit=1 --sort-by=~endTime --filter=status=SUCCESSFUL)
    [ -z "$backup" ] || choice=(--limit=1 --filter="status=SUCCESSFUL AND id=$backup")
    found=$(gcloud sql backups list --instance="$source_instance" --project="$source_project" "${choice[@]}" --format='value(id,endTime)') ||
        stop "$FAILED" "the backups of $source_instance cannot be listed in $source_project"
    read -r backup made <<<"$found" || true
    [ -n "$backup" ] && [ -n "$made" ] || stop "$FAILED" "$source_instance has no such backup that succeeded"
    kind=RESTORE_VOLUME
    say "backup $backup of $source_instance, made $made"
fi
[ -n "$made" ] || stop "$FAILED" "it is not known when that was made, so not whether $instance already holds it"

running=$(gcloud sql operations list --instance="$instance" --project="$project" --limit=1 \
    --filter='status=(PENDING,RUNNING)' --format='value(name)') || stop "$FAILED" "the operations on $instance cannot be listed"
[ -z "$running" ] || stop "$CONFLICT" "operation $running on $instance is under way: gcloud sql operations wait $running --project=$project"

# -- the database ---------------------------------------------------------------------------------------------------

if [ "$(instance_of_standby settings.activationPolicy)" = ALWAYS ]; then
    say "$instance already runs"
else
    change gcloud sql instances patch "$instance" --project="$project" --activation-policy=ALWAYS --quiet
    read_back ALWAYS "the activation policy of $instance" instance_of_standby settings.activationPolicy
fi
$dry_run || read_back RUNNABLE "the state of $instance" instance_of_standby state

filled() {
    gcloud sql operations list --instance="$instance" --project="$project" --limit=1 --format='value(status)' \
        --filter="operationType=$kind AND status=DONE AND startTime>\"$made\" AND NOT error:*"
}
filled_before=$(filled) || stop "$FAILED" "the operations on $instance cannot be listed"
if [ "$filled_before" = DONE ]; then
    say "$instance was already filled from that"
else
    if [ -n "$dump" ]; then
        change gcloud sql import sql "$instance" "$dump" --database="$database" --project="$project" --quiet
    else
        change gcloud sql backups restore "$backup" --restore-instance="$instance" --project="$project" \
            --backup-instance="$source_instance" --backup-project="$source_project" --quiet
    fi
    read_back DONE "the $kind of ${dump:-backup $backup}" filled
    read_back RUNNABLE "the state of $instance" instance_of_standby state
fi

# -- the services ---------------------------------------------------------------------------------------------------

ready() {
    gcloud run services describe "$1" --region="$region" --project="$project" \
        --format='value(status.conditions.filter("type:Ready").extract(status).flatten())'
}
if [ "${#services[@]}" -eq 0 ]; then
    listed=$(gcloud run services list --region="$region" --project="$project" --format='value(metadata.name)') ||
        stop "$FAILED" "the services of $region cannot be listed in $project"
    [ -n "$listed" ] || stop "$FAILED" "$project has no services in $region: nothing would answer"
    while IFS= read -r service; do
        services+=("$service")
    done <<<"$listed"
fi
for service in "${services[@]}"; do
    state=$(ready "$service") || stop "$FAILED" "$service cannot be read in $region"
    [ "$state" = True ] || stop "$FAILED" "$service is not ready in $region (Ready is ${state:-unknown}): the names stay where they are"
    say "verified: $service is ready"
done

# -- the names ------------------------------------------------------------------------------------------------------

if [ -z "$zone" ]; then
    say "the names stay where they are: dr_cutover.sh moves them"
    exit 0
fi
cutover=("$(dirname "${BASH_SOURCE[0]}")/dr_cutover.sh" --project "${dns_project:-$project}" --zone "$zone"
    --address "$address" --address-project "$project")
for name in "${names[@]}"; do
    cutover+=(--name "$name")
done
! $dry_run || cutover+=(--dry-run)
! $confirmed || cutover+=(--yes)
exec "${cutover[@]}"
