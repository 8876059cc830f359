# Unit order: which units of one component come after, or need, units of another one on this host, as systemd has it. Part of the probe,
# so it asks once for all of them, and not at all where fewer than two components have units.

UNIT_ORDERS=256

probe_unit_order() { # WORDS: `COMPONENT VERSION …` that run here: data lines `component.C.unit-order UNIT DIRECTIVE COMPONENT UNIT`, sorted
	[ "$MODE" = system ] && [ -d /run/systemd/system ] && has_tool systemctl || return 0
	# shellcheck disable=SC2086 # names of components and versions have no blanks
	set -- $1
	order_units_=
	order_components_=0
	while [ $# -gt 1 ]; do
		order_found_=$(awk -v component="$1" '
			$1 == "manager" && $2 != "systemd" { exit }
			$1 ~ /^(unit|switch\.socket)\.[0-9]+$/ {
				sub(/@\.service$/, "@a.service", $2) # a template is asked for by one of its instances
				printf " %s %s", $2, component
			}' "$STATE/components/$1/releases/$2/release") || order_found_=
		[ -z "$order_found_" ] || order_components_=$((order_components_ + 1))
		order_units_=$order_units_$order_found_
		shift 2
	done
	[ "$order_components_" -gt 1 ] || return 0
	systemd_order "$order_units_" | while read -r order_component_ order_words_; do
		data "component.$order_component_.unit-order" "$order_words_"
	done
}

systemd_order() { # WORDS: `UNIT COMPONENT …`: print `COMPONENT UNIT DIRECTIVE COMPONENT UNIT` of units of different ones. What Before= says is After of the other in systemd's own answer
	# shellcheck disable=SC2086,SC2046 # unit names have no blanks
	systemd_ask show -p Id -p Names -p After -p Requires -p BindsTo -p Wants -- $(printf '%s %s\n' $1 | cut -d ' ' -f 1 | sort -u) |
		awk -v known="$1" '
		BEGIN {
			n = split(known, word, " ")
			for (i = 1; i < n; i += 2) if (!(word[i] in owner)) owner[word[i]] = word[i + 1]
			count = 1
		}
		$0 == "" { count++; next }
		{
			at = index($0, "=")
			said[count, substr($0, 1, at - 1)] = substr($0, at + 1)
		}
		END {
			# A contract may name a unit by an alias; others name it by its first name.
			for (b = 1; b <= count; b++) {
				n = split(said[b, "Id"] " " said[b, "Names"], name, " ")
				for (i = 1; i <= n && !(b in mine); i++) if (name[i] in owner) mine[b] = owner[name[i]]
				if (b in mine) for (i = 1; i <= n; i++) if (!(name[i] in owner)) owner[name[i]] = mine[b]
			}
			split("After Requires BindsTo Wants", directive, " ")
			for (b = 1; b <= count; b++) for (d = 1; d <= 4 && b in mine; d++) {
				n = split(said[b, directive[d]], other, " ")
				for (i = 1; i <= n; i++) if (other[i] in owner && owner[other[i]] != mine[b])
					print mine[b], said[b, "Id"], directive[d], owner[other[i]], other[i]
			}
		}' | sort -u | head -n "$UNIT_ORDERS"
}
