# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of planectl for bash.

# Add those of the words that begin with the current word.
_planectl_words()
{
	mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$*" -- "$cur")
}

# _planectl_files COMPGEN-ARGUMENT...: add files, and directories that lead to them
_planectl_files()
{
	compopt -o filenames
	mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "$@" -- "$cur"; compgen -d -- "$cur")
}

# Print the policies whose files planectl finds by name
_planectl_policies()
{
	local exe dir f IFS=:

	exe=$(readlink -f "$(type -P planectl)")
	for dir in $PLANECTL_PATH "${exe%/*}/../bpf" "${exe%/*}/../lib/planeswitch"; do
		for f in "$dir"/*.bpf.o; do
			[[ ! -e $f ]] || basename "$f" .bpf.o
		done
	done
}

# Print the names of the pins of tokens and links. A link has a token unless that was removed.
_planectl_pins()
{
	local f

	for f in "$pins"/* "$pins"/links/*; do
		[[ ! -f $f ]] || basename "$f"
	done | sort -u
}

# Print PID-FD of each VM that uses planes.
_planectl_vms()
{
	local f

	for f in /sys/kernel/debug/kvm/*/plane_policy; do
		[[ ! -e $f ]] || basename "${f%/*}"
	done
}

_planectl_option()
{
	local options="--json --verbose --help --version"

	case $1 in
	load) options+=" --pin --mode --group" ;;
	list | replace | unload) options+=" --pin" ;;
	status) options+=" --vm" ;;
	stats) options+=" --vm --watch" ;;
	esac
	_planectl_words "$options"
}

# _planectl_argument COMMAND NUMBER: complete the command's argument of this number
_planectl_argument()
{
	case "$1 $2" in
	" 0") _planectl_words load list status stats replace unload help ;;
	"load 0" | "replace 1")
		[[ $cur == */* ]] || _planectl_words "$(_planectl_policies)"
		_planectl_files -f -X '!*.bpf.o'
		;;
	"replace 0" | "unload 0")
		if [[ $cur == */* ]]; then
			_planectl_files -f
		else
			_planectl_words "$(_planectl_pins)"
		fi
		;;
	esac
}

_planectl()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' args=0 pins=/sys/fs/bpf/planes i word

	# --mode=660 is three words.
	if [[ $cur == = ]]; then
		cur=''
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		case $word in
		-p | --pin | -m | --mode | -g | --group | --vm)
			[[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1))
			i=$((i + 1))
			[[ $word != -p && $word != --pin ]] || pins=${COMP_WORDS[i]}
			;;
		-* | =) ;;
		*)
			[[ -z $command ]] || args=$((args + 1))
			command=${command:-$word}
			;;
		esac
	done

	COMPREPLY=()
	case $prev in
	-p | --pin) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	-m | --mode) _planectl_words 600 660 666 ;;
	-g | --group) mapfile -t COMPREPLY < <(compgen -g -- "$cur") ;;
	--vm) _planectl_words "$(_planectl_vms)" ;;
	*)
		if [[ $cur == -* ]]; then
			_planectl_option "$command"
		else
			_planectl_argument "$command" "$args"
		fi
		;;
	esac
}

complete -F _planectl planectl
