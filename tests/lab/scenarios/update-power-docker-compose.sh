# shellcheck shell=bash
# drawn: update-kills-there ends updates in the same places
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-power.sh"
