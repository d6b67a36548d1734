# shellcheck shell=bash
# An update that is undone is killed at every step of that.
export PLACES='quarantine quarantine+ restore restore+ reapply reapply+ reverify reverify+ on-rollback' KIND=health=bad
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-kills.sh"
