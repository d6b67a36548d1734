# shellcheck shell=bash
say "Somebody swaps the unit file behind the manager's back. The manager sees nothing: the new file is as old as every file of the Nix store."
user cp .config/systemd/user/photos.service other.service
user sed -i 's|apply photos$|apply other|' other.service
user touch -d @1 other.service
mark
show_script 'mv other.service ~/.config/systemd/user/photos.service'
show systemctl --user show photos -p NeedDaemonReload
say 'The path unit has started an audit. What that found is in the journal, with what to type next.'
from_the_journal 'photos.*fragment-content' 1
say 'A daemon-reload is the repair for what is stale, and here it would do the harm. None was made: the loaded text is still the declared one.'
show_script "systemctl --user show photos -p ExecStart | grep -o 'argv[^;]*'"
say 'So one types what the message says. The swapped file is kept.'
show stackctl repair photos
