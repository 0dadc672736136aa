#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# planectl load, list and unload, alone and with bpftool. In the test machine; TAP.
#
# With stock modules, or without KVM, the one thing to test is that planectl says so.

: "${BPF:=/planes/bpf}"
export PLANECTL_PATH="$BPF"
pins=/sys/fs/bpf/planes
tmp=$(mktemp -d)
n=0
failed=0

# report STATUS NAME: one line of TAP, and what the last command printed if it failed
report()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $n $2"
	echo "$out" | sed 's/^/# /'
}

# expect STATUS PATTERN NAME COMMAND...: the command returns STATUS and prints PATTERN
expect()
{
	status=$1 pattern=$2 name=$3
	shift 3
	out=$("$@" 2>&1)
	rc=$?
	out="$*: status $rc
$out"
	[ "$rc" = "$status" ] && echo "$out" | sed 1d | grep -q -e "$pattern"
	report $? "$name"
}

# yes NAME COMMAND...: the command succeeds
yes()
{
	name=$1
	shift
	out=$("$@" 2>&1)
	report $? "$name"
}

finish()
{
	rm -rf "$tmp"
	echo "1..$n"
	[ $failed = 0 ]
	exit
}

hex() { printf '%s' "$1" | xxd -p | sed 's/../& /g'; }

# variant POLICY FROM TO: a copy of POLICY in which bytes, in hex, are others; prints its path
variant()
{
	to="$tmp/$1.bpf.o"
	xxd -p "$BPF/$1.bpf.o" | tr -d '\n' | sed -e 's/../& /g' -e "s/$2/$3/g" | xxd -r -p >"$to"
	! cmp -s "$BPF/$1.bpf.o" "$to" || echo "planectl.sh: $1.bpf.o has no bytes $2" >&2
	echo "$to"
}

no_support()
{
	expect 1 "no kernel support: $1" "planectl load says: no kernel support, $1" planectl load vtl
	expect 1 "no kernel support: $1" "planectl list says so too" planectl list
	expect 1 "no kernel support: $1" "planectl unload says so too" planectl unload vtl
	yes "nothing is pinned" test ! -e $pins/vtl
	finish
}

[ -d /sys/module/kvm ] || no_support "kvm is not loaded"
grep -q kvm_plane_ops /sys/kernel/btf/kvm || no_support "kvm has no kvm_plane_ops; the stock module"

# Alone

expect 0 "no policy is loaded" "planectl list: nothing at first" planectl list
expect 0 '^\[\]$' "planectl list --json: nothing at first" planectl list --json
expect 0 "^vtl: loaded (ABI 1) .*$pins/vtl" "planectl load" planectl load vtl
expect 0 "^vtl .* $pins/vtl  *hypercall" "planectl list shows what is loaded" planectl list
expect 0 '"name": "vtl".*"pins": \["/sys/fs/bpf/planes/vtl"\]' "planectl list --json too" \
	planectl list --json
expect 0 600 "only its owner may open the pin" stat -c %a $pins/vtl
expect 1 "already loaded: $pins/vtl exists" "a second load fails: the pin is there" planectl load vtl
expect 1 'already loaded: there is a policy "vtl"' "elsewhere too: the name is taken" \
	planectl load vtl --pin /sys/fs/bpf/elsewhere
expect 0 "template: loaded" "two policies can be loaded" planectl load "$BPF/template.bpf.o"
expect 0 "template: unloaded" "planectl unload by pin" planectl unload $pins/template
expect 0 "vtl: unloaded" "planectl unload by name" planectl unload vtl
expect 0 "no policy is loaded" "planectl list: nothing is left" planectl list
yes "the pin is gone" test ! -e $pins/vtl
expect 1 "no policy vtl is loaded" "a second unload fails" planectl unload vtl
expect 0 "vtl: loaded" "an unloaded policy can be loaded again at once" planectl load vtl
planectl unload vtl >/dev/null

# With bpftool: ours, since the stock one of Linux 6.12 looks for types in vmlinux only, and
# crashes when a struct_ops is a module's.

expect 0 "Registered kvm_plane_ops vtl" "bpftool struct_ops register" \
	bpftool struct_ops register "$BPF/vtl.bpf.o" $pins
expect 0 "^vtl .* $pins/vtl  *hypercall" "planectl list shows what bpftool registered" planectl list
expect 1 "already loaded" "planectl load does not replace it" planectl load vtl
expect 0 "vtl: unloaded" "planectl unload removes it" planectl unload vtl
expect 0 "no policy is loaded" "nothing is left of it" planectl list

planectl load vtl >/dev/null
expect 0 "vtl  *kvm_plane_ops" "bpftool struct_ops show shows what planectl loaded" \
	bpftool struct_ops show
expect 0 '"name": "vtl"' "bpftool struct_ops dump too" bpftool struct_ops dump name vtl
expect 255 "not supported" "bpftool struct_ops unregister is not for policies: they have a link" \
	bpftool struct_ops unregister name vtl
bpftool link pin pinned $pins/vtl /sys/fs/bpf/second
expect 1 "remains loaded" "planectl unload says that another pin holds the policy" \
	planectl unload vtl
expect 0 "^vtl .* - " "planectl list shows a policy that has no pin" planectl list
expect 0 "vtl: unloaded" "removing the other pin unloads it" planectl unload /sys/fs/bpf/second

planectl load vtl >/dev/null
yes "bpftool link detach takes it from KVM" bpftool link detach pinned $pins/vtl
expect 0 "detached" "planectl list shows that it was detached" planectl list
expect 1 "in the way" "planectl load says that its pin is in the way" planectl load vtl
expect 0 "vtl: unloaded" "planectl unload removes the pin" planectl unload vtl

# Errors

echo "no ELF" >"$tmp/text.o"

expect 1 "no policy nosuch: no nosuch.bpf.o in $BPF:" "no such policy" planectl load nosuch
expect 1 "nosuch.bpf.o: No such file" "no such file" planectl load ./nosuch.bpf.o
expect 1 "not a BPF object" "a file that is no object" planectl load "$tmp/text.o"
expect 1 "no kvm_plane_ops in it" "an object without a policy" planectl load \
	"$(variant vtl "$(hex kvm_plane_ops)00" "$(hex xvm_plane_ops)00")"
expect 1 "ABI version 99 is not the kernel's" "a policy of another ABI" planectl load \
	"$(variant vtl "01 00 00 00 $(hex vtl)00" "63 00 00 00 $(hex vtl)00")"
expect 1 'maybe the name "v l"' "a policy whose name is not allowed" planectl load \
	"$(variant vtl "01 00 00 00 $(hex vtl)00" "01 00 00 00 $(hex 'v l')00")"
expect 1 "'bpf_kvm_plane_skip_xxxx': not found" "a policy that needs a kfunc KVM has not" \
	planectl load "$(variant vtl "$(hex bpf_kvm_plane_skip_insn)" "$(hex bpf_kvm_plane_skip_xxxx)")"

# r6 = *(u64 *)(r1 + 0), the op's argument, becomes the one at 16, which it has not
refused=$(variant template "79 16 00 00 00 00 00 00" "79 16 10 00 00 00 00 00")
expect 1 "the verifier refuses template_hypercall: .*invalid bpf_context access off=16" \
	"a policy that the verifier refuses, and why" planectl load "$refused"
expect 1 "processed .* insns" "-v shows the whole log" planectl load -v "$refused"

expect 1 "not in a BPF file system" "a pin outside a BPF file system" planectl load vtl --pin "$tmp/p"
expect 1 "not the pin of a policy" "unload of what is no pin" planectl unload "$tmp/text.o"
expect 2 "no command" "wrong usage: status 2" planectl nosuch
expect 2 "takes one policy" "wrong usage: an argument too few" planectl load
expect 0 "^Usage:" "planectl --help" planectl --help
expect 0 "^planectl .*ABI 1" "planectl --version" planectl --version

mkdir -p /etc
echo 'nobody:x:65534:65534::/tmp:/bin/sh' >>/etc/passwd
expect 1 "permission denied" "planectl list without privileges" su nobody -c "planectl list"
expect 1 "ermission denied" "planectl load without privileges" su nobody -c "planectl load vtl"

expect 0 "no policy is loaded" "after all errors: nothing is loaded" planectl list
yes "nor pinned" rmdir $pins
rmdir /sys/fs/bpf/elsewhere 2>/dev/null
finish
