// SPDX-License-Identifier: GPL-2.0
/* Refused: a program that is no op of a policy calls a kfunc. */
#include "kvm_planes.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("raw_tp/kvm_exit")
int other_type(void *ctx)
{
	bpf_kvm_plane_skip_insn(ctx);
	return 0;
}
