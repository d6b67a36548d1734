# shellcheck shell=bash
say 'A restart can mean what it says: with a gate it succeeds only when the stack is up. This image never gets healthy.'
image photos:bad bad health=bad >/dev/null
show_script 'stackctl add photos --verify gate --verify-timeout 8s | tail -n 1'
show_script "sed -i 's/photos:1/photos:bad/' photos/compose.yml"
show systemctl --user restart photos
show_script "systemctl --user is-active photos; journalctl --user -u photos -g '^stack photos' -n 1 -o cat | cut -c 1-300"
say 'And back: the gate opens.'
show_script "sed -i 's/photos:bad/photos:1/' photos/compose.yml; systemctl --user restart photos && stackctl status --oneline"
user stackctl add photos --verify detached >/dev/null
userctl restart photos.service
