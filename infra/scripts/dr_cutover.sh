#!/usr/bin/env bash
# Points the public names at another load balancer: to the cold environment in us-east1, and back again afterwards.
#
#   dr_cutover.sh --project P --zone Z --name HOST [--name HOST ...] --address NAME [--address-project P2]
#                 [--ttl SECONDS] [--dry-run] [--yes]
#
#   --project          project of the Cloud DNS zone
#   --zone             the managed zone's name in Cloud DNS
#   --name             host whose A record is changed, such as app.bytereview.ai; may be repeated
#   --address          name of the reserved global address of the load balancer to point at
#   --address-project  project of that address (default: --project)
#   --ttl              how long others may remember the record (default: 60)
#   --dry-run          read everything, print what would be written, write nothing
#   --yes              really write; without it the first write is refused
#
# A record that already says so is left alone, so the script can be run again after a failure. Every record is read back
# from Cloud DNS; resolvers elsewhere keep the old address for up to the old record's TTL.
# Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 not confirmed.

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

project='' zone='' address='' address_project='' ttl=60
names=()
while [ "$#" -gt 0 ]; do
    case $1 in
    --project) take "$@" && project=$taken && shift ;;
    --zone) take "$@" && zone=$taken && shift ;;
    --name) take "$@" && names+=("$taken") && shift ;;
    --address) take "$@" && address=$taken && shift ;;
    --address-project) take "$@" && address_project=$taken && shift ;;
    --ttl) take "$@" && ttl=$taken && shift ;;
    --dry-run) dry_run=true ;;
    --yes) confirmed=true ;;
    --help | -h) show_help ;;
    *) wrong_usage "unknown argument: $1" ;;
    esac
    shift
done
wanted project --project
wanted zone --zone
wanted address --address
[ "${#names[@]}" -gt 0 ] || wrong_usage "--name is missing"
[[ $ttl =~ ^[1-9][0-9]*$ ]] || wrong_usage "--ttl is a number of seconds, not $ttl"
address_project=${address_project:-$project}
installed gcloud

record() {
    gcloud dns record-sets describe "$1" --type=A --zone="$zone" --project="$project" --format='value(rrdatas[0],ttl)'
}

found=$(gcloud compute addresses describe "$address" --global --project="$address_project" --format='value(address,status)') ||
    stop "$FAILED" "the address $address cannot be read in $address_project: is its load balancer applied?"
read -r target status <<<"$found" || true
[[ $target =~ ^[0-9]+(\.[0-9]+){3}$ ]] || stop "$FAILED" "$address has no IPv4 address, but ${target:-nothing}"
[ "$status" = IN_USE ] || stop "$FAILED" "$address ($target) is ${status:-unknown}, not IN_USE: no load balancer answers there"

# All of them are read before the first is written: a missing one is found while nothing is half done.
before=()
for name in "${names[@]}"; do
    current=$(record "${name%.}.") ||
        stop "$FAILED" "$zone holds no A record for $name that can be read; the records are made by Terraform"
    before+=("$current")
done

changed=0
for index in "${!names[@]}"; do
    name=${names[$index]%.}.
    read -r old old_ttl <<<"${before[$index]}" || true
    if [ "$old" = "$target" ] && [ "$old_ttl" = "$ttl" ]; then
        say "$name already points at $target"
        continue
    fi
    say "$name points at $old (for $old_ttl s): to $target"
    change gcloud dns record-sets update "$name" --type=A --zone="$zone" --project="$project" --rrdatas="$target" --ttl="$ttl"
    read_back "$target"$'\t'"$ttl" "$name" record "$name"
    changed=$((changed + 1))
    say "to go back: gcloud dns record-sets update $name --type=A --zone=$zone --project=$project --rrdatas=$old --ttl=$old_ttl"
done
if $dry_run; then
    say "dry run: $changed of ${#names[@]} records would change"
else
    say "$changed of ${#names[@]} records changed; all point at $target"
fi
