# shellcheck shell=bash
export PROVIDER=podman-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-night.sh"
