# shellcheck shell=bash
# An update that would succeed is killed at every step.
export KIND=health=ok
# shellcheck disable=SC2034  # for the body
PLACES=(preflight resolve fetch fetch+ pin pin+ before before+ move move+ apply apply+ verify verify+ keep keep+)
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-kills.sh"
