#!/bin/sh
# The user's stage in system mode: maps the word that ssh brought to one of two fixed sudo lines. sudo would drop SSH_ORIGINAL_COMMAND.
case ${SSH_ORIGINAL_COMMAND-} in
session) exec sudo -n /usr/local/lib/cutover/stub ssh-session ;;
version) exec sudo -n /usr/local/lib/cutover/stub ssh-version ;;
esac
echo "cutover: refused: only session and version can be asked for here" >&2
exit 77
