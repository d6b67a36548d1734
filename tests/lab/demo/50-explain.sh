# shellcheck shell=bash
say 'Two copies of one name. An administrator, or a package, ships a photos.service of its own. Which one runs, and why?'
until_green
mark
show_script "printf '[Service]\nExecStart=/bin/sleep 1h\n' | tee ~/theirs.service"
root sh -c "cp /home/$LAB_USER/theirs.service /etc/systemd/user/photos.service"
from_the_journal 'photos.*shadowed-copy' 1
say 'explain takes any user unit, declared or not, and looks along the search path as the manager does.'
show stackctl explain photos
root rm /etc/systemd/user/photos.service
until_green
