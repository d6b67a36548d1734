# shellcheck shell=bash
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-prune.sh"
