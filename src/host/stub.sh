#!/bin/sh
# The fixed stub: the only thing that the controller's key can start. It never changes; what it starts is the component cutover-host.
# Enrolment replaces @STATE@ and @MODE@. As a forced command it takes the word from SSH_ORIGINAL_COMMAND; under sudo it is an argument.
set -eu
umask 077
case ${1-}/@MODE@ in
ssh-session/system) word=session ;;
ssh-version/system) word=version ;;
guard/*) word=guard ;;
/user) word=${SSH_ORIGINAL_COMMAND-} ;;
*) word= ;;
esac
case $word in
session | version) ;;
guard) [ -z "${SSH_ORIGINAL_COMMAND-}${SSH_CONNECTION-}${SUDO_UID-}" ] || word= ;;
*) word= ;;
esac
if [ -z "$word" ]; then
	echo "cutover: refused: only session and version can be asked for here" >&2
	exit 77
fi
connection=${2-${SSH_CONNECTION-}}
case $connection in *[!0-9A-Za-z.:%\ -]*) connection= ;; esac
script='@STATE@/host/current/host.sh'
if [ "$word" = guard ]; then
	# A host.sh on trial does not judge itself at boot: the copy of the one that armed its trial does (T36).
	for copy in '@STATE@'/components/cutover-host/trial/host-*.sh; do
		[ ! -f "$copy" ] || script=$copy
	done
fi
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C CUTOVER_CONNECTION="$connection" \
	sh "$script" '@STATE@' "$word"
