#!/usr/bin/env bash
# Brings the cold environment in another region to life: its database started and filled from the newest backup, its
# services checked, then (where asked) the public names moved by dr_cutover.sh.
#
#   region_failover.sh --project P --instance DR --source-instance SRC [--source-project P2] [--region us-east1]
#                      [--backup ID] [--service NAME ...]
#                      [--zone Z --name HOST ... --address NAME [--dns-project P3]] [--dry-run] [--yes]
#
#   --project          project of the cold environment
#   --region           its region (default: us-east1)
#   --instance         its Cloud SQL instance, which the restore overwrites
#   --source-instance  the instance whose backup is restored
#   --source-project   project of that instance (default: --project)
#   --backup           the backup to restore (default: the newest that succeeded)
#   --service          Cloud Run service that must be ready before names move; may be repeated (default: all of the region)
#   --zone, --name, --address, --dns-project
#                      as in dr_cutover.sh; without --zone the names stay where they are
#   --dry-run          read everything, print what would be written, write nothing
#   --yes              really write; without it the first write is refused
#
# Each step is read back before the next begins, and a step that is done is not done again: after a failure, run it again
# with the same arguments. An instance that was restored after the backup ended is not restored a second time.
# Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 not confirmed, 4 an operation on the instance runs.

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

project='' region=us-east1 instance='' source_instance='' source_project='' backup=''
zone='' address='' dns_project=''
services=() names=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --project) take "$@" && project=$taken && shift ;;
    --region) take "$@" && region=$taken && shift ;;
    --instance) take "$@" && instance=$taken && shift ;;
    --source-instance) take "$@" && source_instance=$taken && shift ;;
    --source-project) take "$@" && source_project=$taken && shift ;;
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
wanted source_instance --source-instance
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

database() { gcloud sql instances describe "$instance" --project="$project" --format="value($1)"; }

# -- what is there --------------------------------------------------------------------------------------------------

placed=$(database region) || stop "$FAILED" "the instance $instance cannot be read in $project: is infra/envs/dr applied?"
[ "$placed" = "$region" ] || stop "$FAILED" "$instance is in ${placed:-no region}, not in $region: that is not the cold environment"

choice=(--limit=1 --sort-by=~endTime --filter=status=SUCCESSFUL)
[ -z "$backup" ] || choice=(--limit=1 --filter="status=SUCCESSFUL AND id=$backup")
found=$(gcloud sql backups list --instance="$source_instance" --project="$source_project" "${choice[@]}" --format='value(id,endTime)') ||
    stop "$FAILED" "the backups of $source_instance cannot be listed in $source_project"
read -r backup ended <<<"$found" || true
[ -n "$backup" ] && [ -n "$ended" ] || stop "$FAILED" "$source_instance has no such backup that succeeded"
say "backup $backup of $source_instance, ended $ended"

running=$(gcloud sql operations list --instance="$instance" --project="$project" --limit=1 \
    --filter='status=(PENDING,RUNNING)' --format='value(name)') || stop "$FAILED" "the operations on $instance cannot be listed"
[ -z "$running" ] || stop "$CONFLICT" "operation $running on $instance is under way: gcloud sql operations wait $running --project=$project"

# -- the database ---------------------------------------------------------------------------------------------------

if [ "$(database settings.activationPolicy)" = ALWAYS ]; then
    say "$instance already runs"
else
    change gcloud sql instances patch "$instance" --project="$project" --activation-policy=ALWAYS --quiet
    read_back ALWAYS "the activation policy of $instance" database settings.activationPolicy
fi
$dry_run || read_back RUNNABLE "the state of $instance" database state

restored() {
    gcloud sql operations list --instance="$instance" --project="$project" --limit=1 --format='value(status)' \
        --filter="operationType=RESTORE_VOLUME AND status=DONE AND startTime>\"$ended\" AND NOT error:*"
}
done_before=$(restored) || stop "$FAILED" "the operations on $instance cannot be listed"
if [ "$done_before" = DONE ]; then
    say "$instance was already restored after that backup"
else
    change gcloud sql backups restore "$backup" --restore-instance="$instance" --project="$project" \
        --backup-instance="$source_instance" --backup-project="$source_project" --quiet
    read_back DONE "the restore of backup $backup" restored
    read_back RUNNABLE "the state of $instance" database state
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
