# shellcheck shell=bash
# drawn: the same with the other provider is in every test
export PROVIDER=podman-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/runtime.sh"
