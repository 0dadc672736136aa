#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What planectl shows where KVM's files in debugfs cannot be read: on a kernel that is locked down, and
# on one whose command line says debugfs=off. In the test machine; TAP.
#
# Each in a boot of its own: this locks the kernel down, which nothing undoes.

export PLANECTL_PATH="${BPF:=/planes/bpf}"
lockdown=/sys/kernel/security/lockdown
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
	out="status $rc
$out"
	[ "$rc" = "$status" ] && echo "$out" | sed 1d | grep -q -e "$pattern"
	report $? "$name"
}

vmm_start()
{
	planectl load vtl >/dev/null
	vtl-vmm --switch policy --calls 1000000 >/dev/null 2>&1 &
	vmm=$!
}

finish()
{
	kill "$vmm"
	wait "$vmm" 2>/dev/null
	expect 0 "vtl: unloaded" "$1: planectl unload" planectl unload vtl
	echo "1..$n"
	[ $failed = 0 ]
	exit
}

if ! grep -q '	debugfs$' /proc/filesystems; then
	vmm_start
	no="this kernel has no debugfs"
	expect 0 "^vtl  *[0-9]*  *[0-9]*  *[0-9]*  *0  *- .*hypercall" "debugfs=off: planectl list shows policies, but not how many VMs use one" \
		planectl list
	expect 0 '"vms": null, ' "debugfs=off: planectl list --json too" planectl list --json
	expect 1 "$no, where VMs are shown (debugfs=off?)" "debugfs=off: planectl status says why it shows nothing" \
		planectl status
	expect 1 "$no" "debugfs=off: planectl stats too" planectl stats
	expect 0 "vtl: replaced" "debugfs=off: planectl replace" planectl replace vtl vtl
	finish debugfs=off
fi

mount -t securityfs security /sys/kernel/security
vmm_start
tries=0
until planectl status --json 2>/dev/null | grep -q '"switches": [1-9]' || [ $tries = 300 ]; do
	tries=$((tries + 1))
	usleep 100000
done
if ! echo integrity >$lockdown || ! grep -q '\[integrity\]' $lockdown; then
	echo "ok $((n + 1)) # SKIP this kernel cannot be locked down"
	n=$((n + 1))
	finish "not locked down"
fi
out=$(cat $lockdown)
! cat /sys/kernel/debug/kvm/*/plane_switch_hypercall >/dev/null 2>&1
report $? "locked down: what KVM counts cannot be read"
expect 0 "^vtl  *[0-9]*  *[0-9]*  *[0-9]*  *0  *1 .*hypercall" "locked down: planectl list shows policies, and how many VMs use one" \
	planectl list
expect 0 '"vms": 1, ' "locked down: planectl list --json too" planectl list --json
expect 0 "^$vmm-[0-9]*  *vtl-vmm  *vtl  *[1-9][0-9]*  -$" "locked down: planectl status shows the VM and its policy" \
	planectl status
expect 1 "the kernel is locked down (Secure Boot?)" \
	"locked down: planectl stats says why it shows nothing" planectl stats
expect 0 "vtl: replaced" "locked down: planectl replace" planectl replace vtl vtl
finish "locked down"
