#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# KVM's modules cannot be unloaded while something uses them, and can afterwards. In the test
# machine; TAP. A VMM and a policy use them, each for itself; what is killed uses nothing.
# shellcheck disable=SC2317  # functions that are arguments of "yes"

modules=/planes/modules
export PLANECTL_PATH=/planes/bpf
n=0
failed=0
vendor=kvm_amd
[ ! -e /sys/module/kvm_intel ] || vendor=kvm_intel

# yes NAME COMMAND...: the command succeeds
yes()
{
	name=$1
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1); then
		echo "ok $n $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $n $name"
	echo "$out" | sed 's/^/# /'
}

# What is closed or removed is let go of soon: BPF frees after grace periods.
unload()
{
	tries=0
	until rmmod "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || return 1
		usleep 100000
	done
}

in_use() { ! rmmod "$1"; }
load() { insmod "$modules/$(echo "$1" | tr _ -).ko"; }
switches() { cat /sys/kernel/debug/kvm/*/plane_policy 2>/dev/null | sed -n 's/^switches: //p'; }

switching()
{
	tries=0
	until [ "$(switches)" -gt 100 ] 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 1000 ] || return 1
		usleep 10000
	done
}

vms_gone() { ! ls -d /sys/kernel/debug/kvm/*-* 2>/dev/null; }

yes "a policy loads" planectl load vtl
yes "with a policy and no VM, the vendor's module unloads" unload $vendor
yes "kvm does not, as the policy is in it" in_use kvm
yes "the vendor's module loads again, under a policy" load $vendor

# It would end otherwise: there is a limit to its calls.
vtl-vmm --switch policy --calls 1000000 >/dev/null 2>&1 &
vmm=$!
yes "a VM is switched by that policy" switching
kill -STOP $vmm
yes "while it runs, the vendor's module does not unload" in_use $vendor
planectl unload vtl >/dev/null
yes "nor does it without the policy" in_use $vendor
kill -9 $vmm
wait $vmm 2>/dev/null
yes "a VMM that is killed leaves no VM" vms_gone
yes "then the vendor's module unloads" unload $vendor
yes "and so does kvm" unload kvm
yes "kvm loads again" load kvm
yes "the vendor's module does" load $vendor
yes "and so does a policy" planectl load vtl
yes "which can be removed" planectl unload vtl

echo "1..$n"
[ $failed = 0 ]
