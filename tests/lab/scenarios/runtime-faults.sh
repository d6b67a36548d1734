# shellcheck shell=bash
# A podman that does not answer the auditor: what needs it is unknown, everything else is still judged; and it is asked no
# more often for many stacks than for one.
# drawn: runtime-docker-compose has what is commoner
export PROVIDER=docker-compose
# shellcheck source=/dev/null
source "$LAB_DIR/scenarios/bodies/stack.sh"
pin_provider
image app:1 v1 >/dev/null
assert_exit 0 user stackctl install
put_one "{image: '$REGISTRY/app:1'}"
assert_exit 0 user stackctl add one --compose one/compose.yml --project one --verify off
userctl start one.service
whole

step 'with the socket down podman still answers; a podman that is missing or hangs leaves unknowns, and everything else'
userctl stop podman.socket podman.service
whole
userctl start podman.socket
host_config "\"podman\": \"/nonexistent/podman\", \"provider\": {\"kind\": \"$PROVIDER\"}"
broken 76 'unknown  this host stack-down' '/nonexistent/podman'
assert_json "$(report)" '.passed["fragment-content"] > 3 and .counts.unknown == 7 and .counts.page == 0'
put fake 755 <<<$'#!/bin/sh\nexec yes'
host_config "\"podman\": \"/home/me/fake\", \"provider\": {\"kind\": \"$PROVIDER\"}"
broken 76 'printed more than'
put fake 755 <<<$'#!/bin/sh\nexec sleep 1000'
begin=$(now_ms)
broken 76 'did not end within'
[ $(($(now_ms) - begin)) -lt 40000 ] || fail 'a podman that hangs held the audit up'
pin_provider
whole

step 'the number of podman calls does not grow with the stacks'
# shellcheck disable=SC2016  # for the inner shell
put counting 755 <<'SCRIPT'
#!/bin/sh
echo "$1" >>/home/me/calls
exec podman "$@"
SCRIPT
host_config "\"podman\": \"/home/me/counting\", \"provider\": {\"kind\": \"$PROVIDER\"}"
put_one "{image: '$REGISTRY/app:1'}"
for stack in two three four; do
    user cp -r one "$stack"
    assert_exit 0 user stackctl add "$stack" --compose "$stack/compose.yml" --verify off
    userctl start "$stack.service"
done
user rm -f calls
whole
assert_eq "$(user sort calls | uniq -c | xargs)" '1 ps' 'calls of podman for four stacks that run'
user podman kill one-it-1 two-it-1 three-it-1 >/dev/null
user rm -f calls
broken 79 'container one-it-1 was stopped by hand'
assert_eq "$(user sort calls | uniq -c | xargs)" '1 container 1 ps' 'calls of podman for three that do not'
