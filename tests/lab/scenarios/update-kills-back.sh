# shellcheck shell=bash
# An update that is undone is killed at every step of that.
export PLACES='quarantine quarantine+ restore restore+ reapply reapply+ on-rollback on-rollback+ reverify reverify+' KIND=health=bad
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-kills.sh"
