#!/bin/bash
# The demo of Hyper-V's VTLs, for demo/run: also a secret that VTL 1 keeps from VTL 0, and a policy
# that is replaced and removed under a running guest.

# shellcheck disable=SC2154  # of demo/run

introduction()
{
	cat <<EOT
A guest with two VTLs (Hyper-V's privilege levels), each a plane in KVM. VTL 0 calls VTL 1
$CALLS times; VTL 1 counts the calls and answers each. The guest checks every answer and that
its registers come back as they were. It cannot tell who switches between the two.

Booting Linux with the KVM of this build, in QEMU (ACCEL=$ACCEL), to
  1. load the policy:              planectl load vtl
  2. let the VMM switch VTLs:      vtl-vmm --switch userspace
  3. the same, general registers:  vtl-vmm --switch userspace-gprs
  4. let the policy switch them:   vtl-vmm --switch policy
  5. keep a secret in VTL 1:       vtl-secret
  6. change the policy meanwhile:  planectl replace vtl, planectl unload vtl
EOT
}

commands()
{
	echo "calls=$CALLS"
	cat <<'EOT'
	planectl load vtl || exit 1
	for how in userspace userspace-gprs policy; do
		echo "run: $how"
		vtl-vmm --switch "$how" --calls "$calls" 2>&1 || exit 1
	done

	echo "run: secret"
	vtl-secret 2>&1 || exit 1

	echo "run: changing"
	vtl-vmm --switch policy --until-removed >/tmp/changing 2>&1 &
	sleep 0.05
	planectl replace vtl /planes/bpf/vtl.bpf.o && sleep 0.05 && planectl unload vtl || exit 1
	wait $!
	rc=$?
	cat /tmp/changing
	exit $rc
EOT
}

table()
{
	row userspace "userspace, all that VTLs share"
	row userspace-gprs "userspace, general registers only"
	row policy "policy \"$(value policy policy)\", all that VTLs share"
}

is_right()
{
	# The first call into VTL 1 lets that get ready: one round trip more.
	local twice=$((2 * (CALLS + 1))) by_policy

	[ "$(value userspace switches_by_userspace)" = $twice ] || return 1
	[ "$(value userspace switches_by_kernel)" = 0 ] || return 1
	by_policy=$(value policy switches_by_userspace)
	[ $((by_policy + $(value policy switches_by_kernel))) = $twice ] || return 1
	[ "$by_policy" -le 4 ] || return 1
	[ "$(value changing switches_by_userspace)" -gt 4 ] || return 1
	[ "$(value changing switches_by_kernel)" -gt 0 ]
}

conclusion()
{
	cat <<EOT
A round trip is a call and its return, two switches; the figure is the median of batches of 50.
All $CALLS answers were right each time.

A secret of VTL 1:
$(said secret | sed 's/^/  /')

The policy replaced and removed, while a guest makes calls:
EOT
	said changing | sed -n 's/^vtl: /  planectl: vtl: /p
		s/^calls: \(.*\)/  \1 calls, each with the right answer/p
		s/^switches_by_kernel: \(.*\)/  \1 switches by the kernel, by one policy and then another/p
		s/^switches_by_userspace: \(.*\)/  \1 switches by the VMM, without one/p'
}
