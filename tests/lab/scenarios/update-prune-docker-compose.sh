# shellcheck shell=bash
# drawn: updates-docker-compose has updates that nobody interferes with
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-prune.sh"
