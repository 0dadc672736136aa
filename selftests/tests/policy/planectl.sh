#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# planectl's commands, alone, with bpftool, and while VMs use a policy. In the test machine; TAP.
#
# With stock modules, or without KVM, the one thing to test is that planectl says so.
# shellcheck disable=SC2317  # functions that are arguments of "yes" and "expect"

: "${BPF:=/planes/bpf}"
policies=/planes/selftests/policies
export PLANECTL_PATH="$BPF"
pins=/sys/fs/bpf/planes
tmp=$(mktemp -d)
n=0
failed=0
abi=$(planectl --version | sed -n 's/.*ABI \([0-9]*\).*/\1/p')
abi_hex="$(printf %02x "$abi") 00 00 00"

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

# wait_for PATTERN COMMAND...: until the command prints PATTERN, or ten seconds
wait_for()
{
	pattern=$1 tries=100
	shift
	until "$@" 2>/dev/null | grep -q -e "$pattern"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		usleep 100000
	done
}

# vmm_start POLICY CALLS: a guest makes calls; returns when the kernel has switched for it
vmm_start()
{
	vtl-vmm --switch "policy=$1" --calls "$2" >"$tmp/vmm" 2>&1 &
	vmm=$!
	wait_for '"switches": [1-9]' planectl status --json --vm "$vmm"
}

vmm_kill()
{
	kill -9 "$vmm"
	wait "$vmm" 2>/dev/null
}

# switches: how many the kernel made for the VM
switches() { planectl status --json --vm "$vmm" | sed -n 's/.*"switches": \([0-9]*\).*/\1/p'; }

# switching: does the kernel make more of them?
switching()
{
	before=$(switches)
	usleep 500000
	[ "$(switches)" -gt "$before" ]
}

not() { ! "$@"; }

hex() { printf '%s' "$1" | xxd -p | sed 's/../& /g'; }

# variant POLICY FROM TO: a copy of POLICY in which bytes, in hex, are others; prints its path
variant()
{
	to="$(mktemp -d "$tmp/XXXXXX")/$1.bpf.o"
	xxd -p "$BPF/$1.bpf.o" | tr -d '\n' | sed -e 's/../& /g' -e "s/$2/$3/g" | xxd -r -p >"$to"
	! cmp -s "$BPF/$1.bpf.o" "$to" || echo "planectl.sh: $1.bpf.o has no bytes $2" >&2
	echo "$to"
}

no_support()
{
	expect 1 "no kernel support: $1" "planectl load says: no kernel support, $1" planectl load vtl
	expect 1 "no kernel support: $1" "planectl list says so too" planectl list
	expect 1 "no kernel support: $1" "planectl status says so too" planectl status
	expect 1 "no kernel support: $1" "planectl stats says so too" planectl stats
	expect 1 "no kernel support: $1" "planectl replace says so too" planectl replace vtl vtl
	expect 1 "no kernel support: $1" "planectl unload says so too" planectl unload vtl
	yes "nothing is pinned" test ! -e $pins/vtl
	finish
}

[ -d /sys/module/kvm ] || no_support "kvm is not loaded"
grep -q kvm_plane_ops /sys/kernel/btf/kvm || no_support "kvm has no kvm_plane_ops; the stock module"

# Alone

expect 0 "no policy is loaded" "planectl list: nothing at first" planectl list
expect 0 '^\[\]$' "planectl list --json: nothing at first" planectl list --json
expect 0 "^vtl: loaded (ABI $abi) .*$pins/vtl" "planectl load" planectl load vtl
expect 0 "^vtl .* $pins/vtl  *hypercall" "planectl list shows what is loaded" planectl list
expect 0 '"name": "vtl".*"pins": \["/sys/fs/bpf/planes/vtl"\], "link_pins": \["/sys/fs/bpf/planes/links/vtl"\]' \
	"planectl list --json too, and where the link is pinned" planectl list --json
expect 0 '^600$' "only its owner may open the pin" stat -c %a $pins/vtl
expect 0 '^600 0 0$' "nor may others open that of the link" stat -c "%a %u %g" $pins/links/vtl
expect 0 '^700$' "or look into its directory" stat -c %a $pins/links
expect 1 "already loaded: $pins/vtl exists" "a second load fails: the pin is there" planectl load vtl
expect 1 'already loaded: there is a policy "vtl"' "elsewhere too: the name is taken" \
	planectl load vtl --pin /sys/fs/bpf/elsewhere
expect 0 "template: loaded" "two policies can be loaded" planectl load "$BPF/template.bpf.o"
expect 0 "template: unloaded" "planectl unload by pin" planectl unload $pins/template
expect 0 "vtl: unloaded" "planectl unload by name" planectl unload vtl
expect 0 "no policy is loaded" "planectl list: nothing is left" planectl list
yes "the pin is gone" test ! -e $pins/vtl
yes "and so is that of the link" test ! -e $pins/links
expect 1 "no policy vtl is loaded" "a second unload fails" planectl unload vtl
expect 0 "vtl: loaded" "an unloaded policy can be loaded again at once" planectl load vtl
expect 0 '^  {"name": "vtl", "link_id": [0-9]*}$' "planectl unload --json" planectl unload vtl --json
expect 0 '{"name": "vtl", "abi": '"$abi"', "file": .*, "pin": "/sys/fs/bpf/planes/vtl", "link_pin": "/sys/fs/bpf/planes/links/vtl", "link_id": [1-9]' \
	"planectl load --json" planectl load vtl --json
planectl unload vtl >/dev/null

expect 0 "no policy is loaded" "an object with two policies, of which one is refused, leaves nothing" \
	sh -c "planectl load template; planectl load $policies/two.bpf.o;
	       [ ! -e $pins/two_first ] && planectl unload template && planectl list"
expect 0 "^two_second$" "else it loads both" \
	sh -c "planectl load $policies/two.bpf.o && ls $pins"
expect 0 "template: unloaded" "which can be unloaded by the names of their pins" \
	sh -c "planectl unload two_first && planectl unload two_second"

# Who may open the pin

mkdir -p /etc
echo 'nobody:x:65534:65534::/tmp:/bin/sh' >>/etc/passwd
echo 'vmm:x:1234:' >>/etc/group
echo 'member:x:1000:1234::/tmp:/bin/sh' >>/etc/passwd
chmod 666 /dev/kvm
chmod 755 /sys/kernel/debug

# as USER COMMAND...
as()
{
	user=$1
	shift
	su "$user" -c "PATH=$PATH $*"
}
vmm_once="vtl-vmm --switch policy --calls 50"

planectl load vtl >/dev/null
expect 1 "planes/vtl: Permission denied" "a VMM of another user may not use the policy" as nobody "$vmm_once"
planectl unload vtl >/dev/null
expect 0 "vtl: loaded" "planectl load --group" planectl load vtl --group vmm
expect 0 "^660 1234$" "the group may read and write the pin" stat -c "%a %g" $pins/vtl
expect 0 '^600 0 0$' "but not that of the link" stat -c "%a %u %g" $pins/links/vtl
expect 0 "switches_by_userspace: 0" "a VMM of the group may use the policy" as member "$vmm_once"
expect 1 "planes/vtl: Permission denied" "one that is not in it may not" as nobody "$vmm_once"
planectl unload vtl >/dev/null
expect 0 "vtl: loaded" "planectl load --mode, --group by number" planectl load vtl --mode 640 -g 77
expect 0 "^640 77$" "both are what was asked for" stat -c "%a %g" $pins/vtl
planectl unload vtl >/dev/null
planectl load vtl --mode 640 --group vmm >/dev/null
expect 0 "switches_by_userspace: 0" "a group that may only read the pin may use the policy" \
	as member "$vmm_once"
planectl unload vtl >/dev/null
planectl load vtl --mode 666 >/dev/null
expect 0 "switches_by_userspace: 0" "--mode 666: any VMM may use the policy" as nobody "$vmm_once"
planectl unload vtl >/dev/null
chmod 700 $pins
expect 0 "warning: not all who may open $pins/vtl get there: $pins has mode 700" \
	"planectl load warns if a directory is in the way" planectl load vtl --group vmm
chmod 755 $pins
planectl unload vtl >/dev/null
expect 2 "not a mode" "a mode that is none" planectl load vtl --mode 1888
expect 2 "no such group" "a group that is not there" planectl load vtl --group nosuch
yes "neither loads anything" test ! -e $pins/vtl
chmod 600 /dev/kvm
chmod 700 /sys/kernel/debug

# While VMs use it

expect 0 "no VM uses planes" "planectl status: nothing at first" planectl status
expect 0 '^\[\]$' "planectl status --json: nothing at first" planectl status --json
expect 0 "no VM uses planes" "planectl stats: nothing at first" planectl stats
expect 1 "no VM 1 " "planectl status --vm: no such VM" planectl status --vm 1
expect 1 "no VM 1-1 " "planectl stats --vm: no such VM" planectl stats --vm 1-1

planectl load vtl >/dev/null
vmm_start $pins/vtl 1000000
report $? "a VM uses the policy"
expect 0 "^$vmm-[0-9]*  *vtl-vmm  *vtl  *[1-9][0-9]*  -$" "planectl status shows it" planectl status
expect 0 "\"pid\": $vmm, .*\"policy\": \"vtl\", \"switches\": [1-9][0-9]*, \"ejected\": null" \
	"planectl status --json too" planectl status --json
expect 0 "^vtl  *[0-9]*  *[0-9]*  *$abi  *0  *1 " "planectl list counts it" planectl list
expect 0 '"vms": 1, ' "planectl list --json too" planectl list --json
id=$(planectl status --vm "$vmm" | sed -n "s/^\($vmm-[0-9]*\) .*/\1/p")
expect 0 "^$id " "planectl status --vm PID-FD" planectl status --vm "$id"
expect 1 "no VM $vmm-999" "planectl status --vm: no such fd" planectl status --vm "$vmm-999"

# The counters of the VM, by name, as planectl is to print them
counters()
{
	for f in /sys/kernel/debug/kvm/"$id"/plane_*; do
		[ "${f##*/}" = plane_policy ] || echo "${f##*/} $(cat "$f")"
	done
}

kill -STOP "$vmm"
counters >"$tmp/counters"
planectl stats --vm "$id" | awk '/^  / { print $1, $2 }' >"$tmp/stats"
yes "KVM has counters of planes" test -s "$tmp/counters"
yes "planectl stats prints all of them, in order" cmp "$tmp/counters" "$tmp/stats"
counter=plane_switch_hypercall
value=$(sed -n "s/^$counter //p" "$tmp/counters")
expect 0 "\"counters\": {.*\"$counter\": ${value}[,}]" "planectl stats --json too" planectl stats --json
expect 0 "^  $counter  *$value  *0\.0/s$" "planectl stats --watch: none a second while the VM stands" \
	timeout -s INT 3 planectl stats --watch
kill -CONT "$vmm"
expect 0 "^  $counter  *[0-9]*  *[1-9][0-9]*\.[0-9]/s$" "and some while it runs" \
	timeout -s INT 3 planectl stats --watch 1 --vm "$vmm"
expect 0 "\"per_second\": {.*\"$counter\": [1-9]" "planectl stats --watch --json" \
	timeout -s TERM 3 planectl stats --json --watch=0.5

# of two samples, some two seconds apart: the difference is what the second says
timeout -s INT 5 planectl stats --watch 2 >"$tmp/stats"
rate_is_difference()
{
	awk -v counter="$counter" '$1 == counter { sub("/s", ""); difference = $2 - last; last = $2; rate = $3; n++ }
	     END { d = difference - 2 * rate; exit !(n == 2 && d * d < rate * rate / 2) }' "$tmp/stats"
}
yes "what is printed per second is the difference" rate_is_difference

yes "the VM is switched by the kernel" switching
expect 0 "vtl: replaced (ABI $abi) from $policies/vtl_passes" "planectl replace, while it is used" \
	planectl replace vtl $policies/vtl_passes.bpf.o
yes "the new policy leaves switches to userspace" not switching
expect 0 "^$id .* vtl  " "the VM has it" planectl status
expect 0 '^  {"name": "vtl", "abi": '"$abi"', "file": .*, "link_id": [1-9]' "planectl replace --json, by pin" \
	planectl replace $pins/vtl vtl --json
yes "the first one switches again" switching
expect 0 "vtl: unloaded" "planectl unload, while it is used" planectl unload vtl
expect 0 "^$id  *vtl-vmm  *-  *[1-9]" "planectl status: the VM has none" planectl status
vmm_kill
expect 0 "no VM uses planes" "nor is the VM there when its process is gone" planectl status

planectl load vtl >/dev/null
vmm_start $pins/vtl 200000
n_replaced=0
while [ $n_replaced -lt 5 ] && kill -0 "$vmm" 2>/dev/null && planectl replace vtl vtl >/dev/null; do
	n_replaced=$((n_replaced + 1))
done
wait "$vmm"
rc=$?
out=$(cat "$tmp/vmm"; echo "status $rc, replaced $n_replaced times")
[ $rc = 0 ] && [ $n_replaced -gt 2 ] && grep -q "^switches_by_userspace: 0$" "$tmp/vmm"
report $? "replaced again and again, it loses no call"
expect 0 "^vtl  *[0-9]*  *[0-9]*  *$abi  *0  *0 " "it is loaded as before, once" planectl list
planectl unload vtl >/dev/null

# A replacement has a token of its own, for whoever could open the old one.
planectl load vtl --mode 640 --group 7 >/dev/null
bpftool map pin pinned $pins/vtl $pins/vtl2
chmod 444 $pins/vtl2
map_of() { bpftool map show pinned "$1" | sed -n 's/^\([0-9]*\):.*/\1/p'; }
old_map=$(map_of $pins/vtl)
expect 0 "vtl: replaced" "planectl replace, with two pins for VMMs" planectl replace vtl vtl
yes "the token is another one" test "$(map_of $pins/vtl)" != "$old_map"
yes "in both pins" test "$(map_of $pins/vtl)" = "$(map_of $pins/vtl2)"
expect 0 "^640 7 444 0 $" "each for the same users" \
	sh -c "stat -c '%a %g' $pins/vtl $pins/vtl2 | tr '\n' ' '"
expect 0 "switches_by_userspace: 0" "and lets a VMM opt in" sh -c "$vmm_once"
expect 0 "^links vtl vtl2 $" "nothing else is pinned" sh -c "ls $pins | tr '\n' ' '"

# One pin cannot be renamed to, be it the first or the second.
old_map=$(map_of $pins/vtl)
for busy in vtl vtl2; do
	mount --bind $pins/$busy $pins/$busy
	planectl list >"$tmp/list"
	expect 1 "$busy: .*; the old policy stays" "planectl replace that fails half way, at $busy, says so" \
		planectl replace vtl vtl
	umount $pins/$busy
	planectl list >"$tmp/list.now"
	yes "and leaves the policy as it was" cmp "$tmp/list" "$tmp/list.now"
	yes "and its pins" test "$(map_of $pins/vtl) $(map_of $pins/vtl2)" = "$old_map $old_map"
	expect 0 "^640 7 444 0 $" "for whom they were" \
		sh -c "stat -c '%a %g' $pins/vtl $pins/vtl2 | tr '\n' ' '"
	expect 0 "^links vtl vtl2 $" "and nothing else" sh -c "ls $pins | tr '\n' ' '"
	expect 0 "switches_by_userspace: 0" "it lets a VMM opt in" sh -c "$vmm_once"
done

# One who was killed left the token of what was there before.
bpftool map pin pinned $pins/vtl /sys/fs/bpf/old
planectl replace vtl vtl >/dev/null
rm $pins/vtl
bpftool map pin pinned /sys/fs/bpf/old $pins/vtl
rm /sys/fs/bpf/old
expect 0 "$pins/vtl.*(stale pin: planectl replace)" "planectl list shows a pin that is of what was replaced" \
	planectl list
expect 1 "Invalid argument" "with which a VMM cannot opt in" sh -c "$vmm_once"
planectl replace vtl vtl >/dev/null
expect 0 "switches_by_userspace: 0" "planectl replace makes it good again" sh -c "$vmm_once"
not_stale() { ! planectl list | grep stale; }
yes "and planectl list shows none" not_stale
expect 0 "vtl: unloaded" "planectl unload removes all pins" planectl unload vtl
yes "in the directory" rmdir $pins

# Without its link a policy is gone, whatever else is pinned.
planectl load vtl >/dev/null
rm $pins/links/vtl
wait_for "(removed)" planectl list
expect 0 "^vtl .* $pins/vtl .*(removed)" "a policy is removed by removing the pin of its link" planectl list
expect 1 "Invalid argument" "no VMM can opt in to it" sh -c "$vmm_once"
expect 1 "$pins/vtl of a policy that was removed is in the way" "planectl load says that its pin is in the way" \
	planectl load vtl
expect 0 "vtl: unloaded" "planectl unload removes that" planectl unload vtl
planectl load vtl >/dev/null
bpftool map pin pinned $pins/vtl /sys/fs/bpf/kept
expect 0 "note: vtl stays in memory while someone holds map [0-9]" \
	"planectl unload says if somebody has kept the token" planectl unload vtl
expect 0 "no policy is loaded" "the policy is gone all the same" planectl list
expect 0 "vtl: loaded" "and can be loaded" planectl load vtl
expect 1 "Invalid argument" "for which the token that was kept is none" \
	vtl-vmm --switch policy=/sys/fs/bpf/kept --calls 50
rm /sys/fs/bpf/kept
planectl unload vtl >/dev/null

# What is in a policy's maps; the kernel has fifteen letters of their names.
map=kept_settings_o
pin=$pins/maps/kept_settings_of_vms
planectl load $policies/settings_one.bpf.o --mode 660 --group 7 >/dev/null
expect 0 "^600 0$" "a policy's map is pinned for root, whoever may use the policy" stat -c "%a %g" $pin
chmod 660 $pin
chown 0:7 $pin
bpftool map update pinned $pin key 0 0 0 0 value 7 0 0 0
expect 0 "settings: replaced" "a policy with a map can be replaced" \
	planectl replace settings $policies/settings_one.bpf.o
usleep 500000
expect 0 '^1 7$' "by one that has the map, with what is in it" \
	sh -c "bpftool map dump name $map | awk '/value/ { n++; value = \$2 } END { print n, value }'"
expect 0 "map kept_settings_of_vms has another layout now, and starts empty" \
	"or by one whose map is another one" planectl replace settings $policies/settings_two.bpf.o
usleep 500000
expect 0 '^2 0$' "which is empty" \
	sh -c "bpftool map dump name $map | awk '/value/ { n++; value = \$2 } END { print n, value }'"
expect 0 '^2 0$' "and in the place of the other one" \
	sh -c "bpftool map dump pinned $pin | awk '/value/ { n++; value = \$2 } END { print n, value }'"
expect 0 "^660 7$" "for the users whom root gave that" stat -c "%a %g" $pin
planectl unload settings >/dev/null
expect 1 "" "the pin goes with the policy" test -e $pins/maps

planectl load $policies/settings_one.bpf.o >/dev/null
chmod 666 $pin
rm $pins/links/settings
wait_for "(removed)" planectl list
rm $pins/settings
expect 0 "settings: loaded" "a policy whose pin was removed can be loaded again" \
	planectl load $policies/settings_one.bpf.o
expect 0 "^600$" "and its new map is for root again" stat -c %a $pin
expect 1 "kept_settings_of_vms exists, and is of the policy settings, which is loaded" \
	"planectl load leaves the map of another policy where it is" \
	planectl load $policies/settings_other.bpf.o
expect 0 "^1 0$" "for who has that policy" \
	sh -c "bpftool map dump pinned $pin | awk '/value/ { n++; value = \$2 } END { print n, value }'"
planectl unload settings >/dev/null

planectl load $policies/wrong_target.bpf.o --pin /sys/fs/bpf/careless >/dev/null
vtl-vmm --switch "policy=$(echo /sys/fs/bpf/careless/wrong*)" --calls 100000 >"$tmp/vmm" 2>&1 &
vmm=$!
wait_for '"ejected": {' planectl status --json
expect 0 "^$vmm-.* vtl-vmm  *-  *0  target: switch to a plane that cannot run (-*[0-9]*)$" \
	"planectl status says why a policy was ejected" planectl status
expect 0 '"policy": null, .*"ejected": {"kind": "target", "code": -*[0-9]*, "message": "switch to' \
	"planectl status --json too" planectl status --json
vmm_kill
planectl unload wrong_target --pin /sys/fs/bpf/careless >/dev/null
rmdir /sys/fs/bpf/careless

# With bpftool: ours, since the stock one of Linux 6.12 looks for types in vmlinux only, and
# crashes when a struct_ops is a module's.

expect 0 "Registered kvm_plane_ops vtl" "bpftool struct_ops register" \
	sh -c "mkdir -p $pins && bpftool struct_ops register $BPF/vtl.bpf.o $pins/links"
expect 0 "^vtl .* $pins/links/vtl  *hypercall" "planectl list shows what bpftool registered" planectl list
yes "bpftool map pin makes the pin for VMMs" bpftool map pin name vtl $pins/vtl
expect 0 "^vtl .* $pins/vtl  *hypercall" "planectl list shows it" planectl list
expect 1 "already loaded" "planectl load does not replace it" planectl load vtl
expect 0 "vtl: replaced" "planectl replace replaces it" planectl replace vtl vtl
vmm_start $pins/vtl 1000000
expect 0 "^$vmm-[0-9]*  *vtl-vmm  *vtl " "planectl status shows the VM that uses it" planectl status
vmm_kill
expect 0 "vtl: unloaded" "planectl unload removes it" planectl unload vtl
expect 0 "no policy is loaded" "nothing is left of it" planectl list

planectl load vtl >/dev/null
expect 0 "vtl  *kvm_plane_ops" "bpftool struct_ops show shows what planectl loaded" \
	bpftool struct_ops show
expect 0 '"name": "vtl"' "bpftool struct_ops dump too" bpftool struct_ops dump name vtl
expect 255 "not supported" "bpftool struct_ops unregister is not for policies: they have a link" \
	bpftool struct_ops unregister name vtl
bpftool link pin pinned $pins/links/vtl /sys/fs/bpf/second
expect 1 "remains loaded" "planectl unload says that another pin holds the policy" \
	planectl unload vtl
expect 0 "^vtl .* - " "planectl list shows a policy that has no pin" planectl list
expect 0 "vtl: unloaded" "removing the other pin unloads it" planectl unload /sys/fs/bpf/second

planectl load vtl >/dev/null
yes "bpftool link detach takes it from KVM" bpftool link detach pinned $pins/links/vtl
expect 0 "detached" "planectl list shows that it was detached" planectl list
expect 1 "in the way" "planectl load says that its pin is in the way" planectl load vtl
expect 1 "was detached" "planectl replace says that it was" planectl replace vtl vtl
expect 0 "vtl: unloaded" "planectl unload removes the pin" planectl unload vtl

# Errors

echo "no ELF" >"$tmp/text.o"

expect 1 "no policy nosuch: no nosuch.bpf.o in $BPF:" "no such policy" planectl load nosuch
expect 1 "nosuch.bpf.o: No such file" "no such file" planectl load ./nosuch.bpf.o
expect 1 "not a BPF object" "a file that is no object" planectl load "$tmp/text.o"
expect 1 "no kvm_plane_ops in it" "an object without a policy" planectl load \
	"$(variant vtl "$(hex kvm_plane_ops)00" "$(hex xvm_plane_ops)00")"
other_abi=$(variant vtl "$abi_hex $(hex vtl)00" "63 00 00 00 $(hex vtl)00")
expect 1 "ABI version 99, but the kernel's is $abi" "a policy of another ABI" planectl load "$other_abi"
mv /dev/kvm /dev/kvm.away
expect 1 "ABI version 99 is not the kernel's" "the same, where the kernel's is not known" \
	planectl load "$other_abi"
mv /dev/kvm.away /dev/kvm
expect 1 'maybe the name "v l"' "a policy whose name is not allowed" planectl load \
	"$(variant vtl "$abi_hex $(hex vtl)00" "$abi_hex $(hex 'v l')00")"
expect 1 "needs the function bpf_kvm_plane_teleport(), which this kernel's KVM has not" \
	"a policy that needs a kfunc KVM has not" planectl load $policies/needs_kfunc.bpf.o
expect 1 'has an op "teleport", which this kernel.s KVM has not' \
	"a policy with an op KVM has not" planectl load $policies/needs_op.bpf.o

# r6 = *(u64 *)(r1 + 0), the op's argument, becomes the one at 16, which it has not
refused=$(variant template "79 16 00 00 00 00 00 00" "79 16 10 00 00 00 00 00")
expect 1 "the verifier refuses template_hypercall: .*invalid bpf_context access off=16" \
	"a policy that the verifier refuses, and why" planectl load "$refused"
expect 1 "processed .* insns" "-v shows the whole log" planectl load -v "$refused"

expect 1 "not in a BPF file system" "a pin outside a BPF file system" planectl load vtl --pin "$tmp/p"
expect 1 "no such file\|No such file" "a pin in a directory whose parent is not there" \
	planectl load vtl --pin /sys/fs/bpf/a/b
mkdir -p $pins/vtl
expect 1 "$pins/vtl exists, and is not the pin of a policy" "something else in the pin's place" \
	planectl load vtl
rmdir $pins/vtl
expect 1 "not the pin of a policy" "unload of what is no pin" planectl unload "$tmp/text.o"
expect 2 "no command" "wrong usage: status 2" planectl nosuch
expect 2 "takes one policy" "wrong usage: an argument too few" planectl load
expect 2 "takes a policy and what" "wrong usage: replace needs two" planectl replace vtl
expect 2 "list takes no --mode" "wrong usage: an option of another command" planectl list --mode 600
expect 2 "not a number of seconds" "wrong usage: --watch 0" planectl stats --watch 0
expect 0 "^Usage:" "planectl --help" planectl --help
expect 0 "^planectl .*ABI $abi," "planectl --version" planectl --version

# replace that fails changes nothing
expect 1 "no policy vtl is loaded" "replace of what is not loaded" planectl replace vtl vtl
planectl load vtl >/dev/null
planectl list >"$tmp/list"
expect 1 'no policy "vtl" in it, but "template"' "replace by a policy of another name" \
	planectl replace vtl template
expect 1 "ABI version 99, but the kernel's is $abi" "replace by one of another ABI" \
	planectl replace vtl "$other_abi"
expect 1 "No such file" "replace by no file" planectl replace vtl ./nosuch.bpf.o
planectl list >"$tmp/list.now"
yes "none of these changes what is loaded" cmp "$tmp/list" "$tmp/list.now"
planectl unload vtl >/dev/null

for command in "list" "load vtl" "unload vtl" "replace vtl vtl"; do
	expect 1 "permission denied: CAP_SYS_ADMIN is needed" \
		"planectl $command without privileges" su nobody -c "planectl $command"
done
expect 1 "permission denied: root is needed" "planectl status without privileges" \
	su nobody -c "planectl status"
# As it is mounted; another test may have left it as systemd does.
chmod 1777 /sys/fs/bpf
expect 1 "permission denied to root: a user namespace" \
	"planectl load as the root of a user namespace" \
	su nobody -c "unshare -U -r planectl load vtl --pin /sys/fs/bpf/p"

# Several at once, of the same name, and a bpftool that does not take turns

take_turns()
{
	for i in 1 2 3 4 5 6 7 8; do
		planectl load vtl
		planectl replace vtl vtl
		planectl unload vtl
	done
}
planectl_turns() { take_turns >"$tmp/turns.$1" 2>&1; }
bpftool_turns()
{
	for i in 1 2 3 4 5 6 7 8; do
		bpftool struct_ops register "$BPF/vtl.bpf.o" $pins/links
		rm -f $pins/links/vtl
	done >/dev/null 2>&1
}

planectl_turns 1 & a=$!
planectl_turns 2 & b=$!
planectl_turns 3
wait $a $b
out=$(cat "$tmp"/turns.*)
yes "some were loaded" grep -q "vtl: loaded" "$tmp"/turns.*
yes "some were replaced" grep -q "vtl: replaced" "$tmp"/turns.*
out=$(grep -hv -e "^vtl: \(loaded\|replaced\|unloaded\)" -e "^removed $pins/vtl" -e "^removed $pins/links/vtl" -e "already loaded: $pins/vtl" \
	-e "no policy vtl is loaded" "$tmp"/turns.*)
[ -z "$out" ]
report $? "those who take turns find a policy that is there, or none"

planectl_turns 1 & a=$!
bpftool_turns & b=$!
planectl_turns 2
wait $a $b
planectl unload vtl >/dev/null 2>&1
expect 0 "no policy is loaded" "nor does one who does not leave anything half done" planectl list
yes "or pinned" not test -e $pins/vtl

(take_turns >/dev/null 2>&1; take_turns >/dev/null 2>&1) & a=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
	planectl load vtl >/dev/null 2>&1 & b=$!
	usleep $((i * 30000))
	kill -INT $b 2>/dev/null
	wait $b
done
wait $a
planectl unload vtl >/dev/null 2>&1
expect 0 "no policy is loaded" "nor one who is interrupted" planectl list

# File systems that are not mounted

umount /sys/fs/bpf
expect 0 "mounted a BPF file system at /sys/fs/bpf" "planectl load mounts the BPF file system" \
	planectl load vtl
expect 0 " /sys/fs/bpf bpf .*mode=755" "for all to look into" grep /sys/fs/bpf /proc/mounts
planectl unload vtl >/dev/null
umount -l /sys/kernel/debug
expect 1 "debugfs is not mounted (mount -t debugfs" "planectl status says that debugfs is not mounted" \
	planectl status
planectl load vtl >/dev/null
expect 0 "^vtl  *[0-9]*  *[0-9]*  *$abi  *0  *- " "planectl list does without" planectl list
expect 0 '"vms": null' "planectl list --json too" planectl list --json
planectl unload vtl >/dev/null
mount -t debugfs debug /sys/kernel/debug

expect 0 "no policy is loaded" "after all errors: nothing is loaded" planectl list
rmdir $pins/links 2>/dev/null
yes "nor pinned" rmdir $pins
rmdir /sys/fs/bpf/elsewhere 2>/dev/null
finish
