# shellcheck shell=bash
# An update that would succeed is killed at every step.
export PLACES='preflight resolve fetch fetch+ pin pin+ before before+ move move+ apply apply+ verify verify+ keep keep+' KIND=health=ok
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-kills.sh"
