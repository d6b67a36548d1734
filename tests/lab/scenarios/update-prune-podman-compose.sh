# shellcheck shell=bash
# drawn: as with the other provider
export PROVIDER=podman-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-prune.sh"
