#!/usr/bin/env bash
# Takes an environment's Terraform state back to an earlier version of its object in Cloud Storage.
#
#   state_restore.sh --bucket B --prefix P --directory D [--generation G] [--keep FOLDER] [--dry-run] [--yes]
#
#   --bucket      the environment's state bucket
#   --prefix      the prefix of its backend.tf
#   --directory   its directory, such as infra/envs/dev, after `terraform init`
#   --generation  the version to go back to; without it, the versions are listed and nothing else happens
#   --keep        folder for a copy of the state as it is now (default: a new one in the temporary folder)
#   --dry-run     read and compare everything, print what would be written, write nothing
#   --yes         really write; without it the write is refused
#
# The old state must be of the same lineage; it gets the serial after the current one, because Terraform takes no older
# serial (and `push -force` would skip the check of the lineage as well). A state that already says the same is left
# alone. Afterwards a plan shows where the state and the cloud differ.
# Exit status: 0 done or nothing to do, 1 failed, 2 wrong usage, 3 not confirmed, 4 the state is locked, 10 restored and
# the plan is not empty.

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bucket='' prefix='' directory='' generation='' keep=''
while [ "$#" -gt 0 ]; do
    case $1 in
    --bucket) take "$@" && bucket=$taken && shift ;;
    --prefix) take "$@" && prefix=$taken && shift ;;
    --directory) take "$@" && directory=$taken && shift ;;
    --generation) take "$@" && generation=$taken && shift ;;
    --keep) take "$@" && keep=$taken && shift ;;
    --dry-run) dry_run=true ;;
    --yes) confirmed=true ;;
    --help | -h) show_help ;;
    *) wrong_usage "unknown argument: $1" ;;
    esac
    shift
done
bucket=${bucket#gs://}
wanted bucket --bucket
wanted prefix --prefix
wanted directory --directory
[ -d "$directory" ] || wrong_usage "--directory $directory is no directory"
[[ -z $generation || $generation =~ ^[0-9]+$ ]] || wrong_usage "--generation is a number, not $generation"
installed gcloud terraform python3
object=gs://$bucket/${prefix%/}/default.tfstate

versions=$(gcloud storage ls "$object" --all-versions) || stop "$FAILED" "the versions of $object cannot be listed"
if [ -z "$generation" ]; then
    printf '%s\n' "$versions"
    say "choose one with --generation: the number after #"
    exit 0
fi
grep -qxF "$object#$generation" <<<"$versions" || stop "$FAILED" "$object has no version $generation; without --generation they are listed"

lock=$(gcloud storage objects list "${object%.tfstate}.tflock" --format='value(generation)') || stop "$FAILED" "the lock of $object cannot be read"
[ -z "$lock" ] || stop "$CONFLICT" "the state is locked (lock ID $lock): wait, or end a dead one by terraform force-unlock $lock"

umask 077 # a state holds secrets
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$keep" ] && ! $dry_run; then
    keep=$(mktemp -d)
fi

gcloud storage cp "$object#$generation" "$work/old.tfstate" || stop "$FAILED" "version $generation of $object cannot be copied"
terraform -chdir="$directory" state pull >"$work/current.tfstate" || stop "$FAILED" "terraform cannot read the state of $directory: run terraform init there"

# compare OLD CURRENT OUT: "same", or "restore SERIAL" with OUT written; a state of another lineage is an error.
compare() {
    python3 - "$@" <<'PYTHON'
import json
import sys

old, current = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3])
if old.get("version") != 4 or not old.get("lineage"):
    sys.exit("that version is no Terraform state of format 4")
if old["lineage"] != current.get("lineage"):
    sys.exit(f"that version is of another lineage: {old['lineage']}, not {current.get('lineage')}")
held = ("resources", "outputs", "check_results")
if all((old.get(key) or None) == (current.get(key) or None) for key in held):
    print("same")
else:
    old["serial"] = current["serial"] + 1
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        json.dump(old, out, indent=2)
    print("restore", old["serial"])
PYTHON
}

verdict=$(compare "$work/old.tfstate" "$work/current.tfstate" "$work/new.tfstate") ||
    stop "$FAILED" "version $generation is not restored: the line above says why"
if [ "$verdict" = same ]; then
    say "the state already is what version $generation holds"
    exit 0
fi
serial=${verdict#restore }

if ! $dry_run; then
    mkdir -p "$keep"
    cp "$work/current.tfstate" "$keep/before-$generation.tfstate"
    say "the state as it is now: $keep/before-$generation.tfstate"
fi
change terraform -chdir="$directory" state push "$work/new.tfstate"

# What is stored now, against what was pushed: "same" once it is there.
stored() {
    terraform -chdir="$directory" state pull >"$work/stored.tfstate"
    compare "$work/new.tfstate" "$work/stored.tfstate" "$work/unused.tfstate"
}
read_back same "the stored state, compared with version $generation," stored
if $dry_run; then
    say "dry run: version $generation would become serial $serial"
    exit 0
fi
serial=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["serial"])' "$work/stored.tfstate") # as Terraform numbered it

arguments=(-detailed-exitcode -input=false -lock=false -no-color)
if [ -f "$directory/main.tfvars" ]; then
    arguments+=(-var-file=main.tfvars)
fi
code=0
terraform -chdir="$directory" plan "${arguments[@]}" || code=$?
case $code in
0) say "restored: serial $serial, and the plan is empty" ;;
2)
    say "restored: serial $serial. The plan above shows where state and cloud differ: import or remove those before an apply"
    exit "$LOOK"
    ;;
*) stop "$FAILED" "the state is restored (serial $serial), but terraform plan failed: the lines above say why" ;;
esac
