# trust.sh: who may say what, and where. Owners and modes of everything that is believed, signatures, allowed places.
# Order for every signed text: trust files → signature → grammar (grammar.sh) → meaning. Nothing is parsed before its signature holds (P2).

# check_private PATH…: each path and every parent up to / is owned by root (in user mode: or by us), is no symlink, and cannot be written
# by group or others. A sticky parent such as /tmp passes in user mode only. Else 78 unsafe-permissions (T9, T11).
check_private() {
	for _path in "$@"; do
		while [ -n "$_path" ]; do
			set -- "$@" "$_path"
			_path=${_path%/*}
		done
	done
	_stats=$(stat -c '%u %f %n' / "$@" 2>/dev/null) || fail 78 unsafe-permissions "cannot inspect $*"
	while read -r _uid _mode _name; do
		_mode=$((0x$_mode))
		if [ "$_uid" -ne 0 ] && { [ "$MODE" = system ] || [ "$_uid" -ne "$MY_UID" ]; }; then
			fail 78 unsafe-permissions "$_name belongs to uid $_uid"
		fi
		[ $((_mode & 0xf000)) -ne $((0xa000)) ] || fail 78 unsafe-permissions "$_name is a symlink"
		[ $((_mode & 0x12)) -eq 0 ] && continue
		[ "$MODE" = user ] && [ $((_mode & 0xf200)) -eq $((0x4200)) ] && continue
		fail 78 unsafe-permissions "$_name can be written by group or others"
	done <<-END
		$_stats
	END
}

# check_trust: enrolment and trust files are there, private and say something; no signer or a threshold of 0 installs nothing (T8).
check_trust() {
	for _file in enrolment trust/release_signers trust/controllers trust/revoked; do
		[ -f "$STATE/$_file" ] || fail 78 trust-missing "$STATE/$_file is not there"
	done
	check_private "$STATE/enrolment" "$STATE/trust/release_signers" "$STATE/trust/controllers" "$STATE/trust/revoked"
	[ -s "$STATE/trust/release_signers" ] || fail 78 trust-empty "no release key is enrolled"
	[ -s "$STATE/trust/controllers" ] || fail 78 trust-empty "no controller key is enrolled"
	kv_raw "$STATE/enrolment" threshold || fail 78 trust-empty "enrolment names no threshold"
	THRESHOLD=$RAW
	{ is_number "$THRESHOLD" && [ "$THRESHOLD" -ge 1 ]; } || fail 78 trust-empty "threshold $THRESHOLD accepts everything"
}

# verify_signature FILE SIGNATURES SIGNERS PRINCIPAL NAMESPACE K WORKDIR: at least K distinct keys of SIGNERS signed FILE as PRINCIPAL in
# NAMESPACE and none of those counted is revoked. SIGNATURES holds one armored block a signature, at most 16 (T7, T10). Else 77 bad-signature.
verify_signature() {
	for _block in "$7"/block.*; do
		[ ! -e "$_block" ] || rm -f "$_block"
	done
	_number=0
	_open=
	while IFS= read -r _one || [ -n "$_one" ]; do
		if [ "$_one" = '-----BEGIN SSH SIGNATURE-----' ]; then
			_number=$((_number + 1))
			[ "$_number" -le 16 ] || fail 77 bad-signature "more than 16 signature blocks"
			_open=yes
		fi
		[ -z "$_open" ] || printf '%s\n' "$_one" >>"$7/block.$_number"
		[ "$_one" != '-----END SSH SIGNATURE-----' ] || _open=
	done <"$2"
	_keys=' '
	_count=0
	_said='no signature block'
	for _block in "$7"/block.*; do
		[ -f "$_block" ] || continue
		_rc=0
		_said=$(ssh-keygen -Y verify -f "$3" -I "$4" -n "$5" -s "$_block" -r "$STATE/trust/revoked" <"$1" 2>&1) || _rc=$?
		case $_rc in
		0) ;;
		126 | 127) fail 69 no-ssh-keygen "ssh-keygen cannot be run here" ;;
		*) continue ;;
		esac
		_key=${_said##*key }
		case $_said in Good*\ key\ SHA256:*) ;; *) continue ;; esac
		case $_keys in *" $_key "*) continue ;; esac
		_keys="$_keys$_key "
		_count=$((_count + 1))
	done
	[ "$_count" -ge "$6" ] || fail 77 bad-signature "$_count of $6 needed $4 keys signed ${1##*/}: $_said"
}

# check_contract WORKDIR: the kept contract of a built version still is signed by keys that are trusted today. Whoever leaves out `check` must
# not get at what a key signed that was revoked since (T7, P13). Needs load_contract.
check_contract() {
	check_trust
	verify_signature "$CONTRACT" "$CONTRACT.sig" "$STATE/trust/release_signers" release cutover-release "$THRESHOLD" "$1"
	kv_load "$CONTRACT" # what is done from here on is what was signed
}

# check_root COMPONENT ROOT: the contract's root is where enrolment allows it, also after following links (T35). Else 77 root-not-allowed.
check_root() {
	is_abs_path "$2" || fail 65 bad-release "root is not a canonical path"
	if [ "$1" = cutover-host ]; then
		[ "$2" = "$STATE/host" ] || fail 77 root-not-allowed "cutover-host lives in $STATE/host only"
		return 0
	fi
	within_bases "$2" || fail 77 root-not-allowed "$2 is not below a base directory of this host: $REFUSED"
	[ ! -L "$2/versions" ] || fail 77 root-not-allowed "$2/versions is a symlink"
}

# check_backup_path ROOT PATH: below a base, and not what must never be put back: versions, current, our own state. Else 77 backup-not-allowed.
# The directory that holds it is private, or whoever may write there puts a link in the way of what root restores (T11): else 78.
check_backup_path() { check_written_path "$1" "$2" backup; }

# check_written_path ROOT PATH WORD: the same for anything that root writes where a contract says; WORD-not-allowed is the reason.
check_written_path() {
	is_abs_path "$2" || fail 65 bad-release "$3 path is not canonical"
	within_bases "$2" || fail 77 "$3-not-allowed" "$2 is not below a base directory of this host: $REFUSED"
	for _own in "$1/versions" "$1/current"; do
		case $2/ in "$_own"/*) fail 77 "$3-not-allowed" "$2 is inside $_own" ;; esac
		case $_own/ in "$2"/*) fail 77 "$3-not-allowed" "$2 holds $_own" ;; esac
	done
	_near=${2%/*}
	until [ -z "$_near" ] || [ -e "$_near" ]; do _near=${_near%/*}; done
	real_path "${_near:-/}" || fail 77 "$3-not-allowed" "$_near is not there"
	check_private "$REAL"
}

# within_bases PATH: strictly below an enrolled base, its nearest existing parent really there and private, and apart from STATE.
# Status 1 and REFUSED otherwise.
within_bases() {
	REFUSED='it holds or lies in the state directory'
	case $1/ in "$STATE"/*) return 1 ;; esac
	case $STATE/ in "$1"/*) return 1 ;; esac
	_near=$1
	until [ -z "$_near" ] || [ -e "$_near" ] || [ -L "$_near" ]; do _near=${_near%/*}; done
	REFUSED='a link leads nowhere'
	real_path "${_near:-/}" || return 1
	_real=$REAL
	REFUSED='a link leads into the state directory'
	case $_real/ in "$STATE"/*) return 1 ;; esac
	kv_values "$STATE/enrolment" base
	REFUSED='no base holds it'
	while read -r _base; do
		[ -n "$_base" ] || continue
		case $1 in "$_base"/?*) ;; *) continue ;; esac
		REFUSED='a link leaves the base'
		real_path "$_base" || continue
		case $_real/ in "$REAL"/*) return 0 ;; esac
	done <<-END
		$VALUES
	END
	return 1
}
