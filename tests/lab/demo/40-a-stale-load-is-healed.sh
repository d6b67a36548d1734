# shellcheck shell=bash
say 'The opposite case. Somebody reloads an edited text, and then puts the declared file back: file and token are right, and the manager would still run the edited text.'
until_green
user cp .config/systemd/user/photos.service declared.service
show_script "sed -i 's|^TimeoutStopSec=.*|TimeoutStopSec=1s|' ~/.config/systemd/user/photos.service; systemctl --user daemon-reload"
mark
show_script 'touch -d @1 declared.service; mv declared.service ~/.config/systemd/user/photos.service'
say 'Everything on disk is declared. So a daemon-reload is safe, and the audit makes it.'
from_the_journal 'photos.*definition-stale.*healed' 1
show systemctl --user show photos -p TimeoutStopUSec
