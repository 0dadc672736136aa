#!/bin/bash
# The demo of AMD's VMPLs, for demo/run: also what a guest asked the service module in VMPL 0 for,
# and what it was answered.

# shellcheck disable=SC2154  # of demo/run

introduction()
{
	cat <<EOT
A guest with two VMPLs (SEV-SNP's privilege levels), each a plane in KVM. In VMPL 0 is a small
service module (SVSM), which creates VMPL 2 and is called by that: with the GHCB MSR first, then
$CALLS times with the GHCB page. The guest checks every answer, and that its registers stay as
they are. It cannot tell who switches between the two.

This is a software VMPL machine. The protocol and the switches are those of SEV-SNP. Nothing
is encrypted, there is no RMP, and a VMSA is only what a VMPL starts with: the hypervisor sees
all, and keeps VMPL 2 out of the SVSM's memory only because it is asked to.

Booting Linux with the KVM of this build, in QEMU (ACCEL=$ACCEL), to
  1. load the policy:               planectl load vmpl
  2. let the VMM switch VMPLs:      vmpl-vmm --switch userspace
  3. let the policy switch them:    vmpl-vmm --switch policy
EOT
}

commands()
{
	echo "calls=$CALLS"
	cat <<'EOT'
	planectl load vmpl || exit 1
	for how in userspace policy; do
		echo "run: $how"
		vmpl-vmm --switch "$how" --calls "$calls" --transcript 2>&1 || exit 1
	done
	planectl unload vmpl >/dev/null
EOT
}

table()
{
	row userspace "userspace, by no ioctl but KVM_RUN"
	row policy "policy \"$(value policy policy)\""
}

is_right()
{
	local run

	# The SVSM runs VMPL 2 before that calls it for the first time.
	for run in userspace policy; do
		[ "$(value $run calls)" = "$CALLS" ] || return 1
		[ $(($(value $run switches_by_userspace) + $(value $run switches_by_kernel))) = \
		  $((2 * $(value $run all_calls) + 1)) ] || return 1
	done
	[ "$(value userspace switches_by_kernel)" = 0 ] || return 1
	[ "$(value policy switches_by_userspace)" -le 4 ]
}

conclusion()
{
	cat <<EOT
A round trip is a call and its answer, two switches, with what the guest and the SVSM do for it;
the figure is the median of batches of 50. All answers were right, $(value policy all_calls) each time.
Nothing is shared between VMPLs, so that userspace has nothing to carry: its switches are as
cheap as they get.

The first calls, with the GHCB MSR, and their answers (in RAX 0 is success):
$(value policy call | sed 's/^/  /')

The key that the SVSM seals with:
  $(value policy secret)
EOT
}
