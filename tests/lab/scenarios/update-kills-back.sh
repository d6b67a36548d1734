# shellcheck shell=bash
# An update that is undone is killed at every step of that.
# drawn: update-kills-there has the first half of an update
export KIND=health=bad
# shellcheck disable=SC2034  # for the body
PLACES=(quarantine quarantine+ restore restore+ reapply reapply+ on-rollback on-rollback+ reverify reverify+)
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-kills.sh"
