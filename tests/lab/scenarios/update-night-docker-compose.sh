# shellcheck shell=bash
# One night, every outcome: updated, unchanged, skipped, rolled back, failed; the summary is true and the unit fails with 83.
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/update-night.sh"
