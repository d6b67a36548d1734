# shellcheck shell=bash
PROVIDER=podman-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/updates.sh"
