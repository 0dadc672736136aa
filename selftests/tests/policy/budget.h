/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A policy whose op hypercall calls as many kfuncs, and takes as long, as a test tells it. The
 * layout of struct budget is all that the test takes from here.
 */
#ifndef BUDGET_H
#define BUDGET_H

#include <linux/types.h>

#define BUDGET_PAGE	4096ULL

/**
 * struct budget - what the policy shares with the test
 * @reads: how many registers the op is to read
 * @writes: how many pages it is to write after that, each time the next ones after @gpa
 * @gpa: a guest physical address
 * @ms: how long it is to take after that, in milliseconds
 * @exit_ms: how long the op exit is to take
 * @switches: it is to skip the hypercall then, and switch to the other one of two planes
 * @calls: how often the op was called
 * @written: how many pages were written
 * @error: what the last write returned
 * @exits: how often exit was called
 */
struct budget {
	__u32 reads;
	__u32 writes;
	__u64 gpa;
	__u32 ms;
	__u32 exit_ms;
	__u32 switches;
	__u32 calls;
	__u32 written;
	__s32 error;
	__u32 exits;
};

#ifdef KVM_PLANES_BPF_H

char _license[] SEC("license") = "GPL";

/* In .bss, which the test maps */
struct budget budget_state;

static long wait_until(__u32 i, __u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

static __always_inline void wait_for(__u32 ms)
{
	__u64 end = bpf_ktime_get_ns() + ms * 1000000ULL;

	if (ms)
		bpf_loop(1U << 23, wait_until, &end, 0);
}

struct work {
	struct kvm_plane_ctx *ctx;
};

static long read_one(__u32 i, struct work *work)
{
	bpf_kvm_plane_read_reg(work->ctx, KVM_PLANE_REG_RAX);
	return 0;
}

static long write_one(__u32 i, struct work *work)
{
	__u64 value = i;

	budget_state.error = bpf_kvm_plane_write_mem(work->ctx, work->ctx->plane,
						     budget_state.gpa +
						     budget_state.written * BUDGET_PAGE,
						     &value, sizeof(value));
	if (budget_state.error)
		return 1;
	budget_state.written++;
	return 0;
}

SEC("struct_ops/budget_hypercall")
int BPF_PROG(budget_hypercall, struct kvm_plane_ctx *pctx)
{
	struct work work = { .ctx = pctx };

	budget_state.calls++;
	bpf_loop(budget_state.reads, read_one, &work, 0);
	bpf_loop(budget_state.writes, write_one, &work, 0);
	wait_for(budget_state.ms);
	if (!budget_state.switches)
		return KVM_PLANE_PASS;
	bpf_kvm_plane_skip_insn(pctx);
	bpf_kvm_plane_switch(pctx, pctx->plane ^ 1, 0);
	return KVM_PLANE_SWITCH;
}

SEC("struct_ops/budget_exit")
void BPF_PROG(budget_exit, struct kvm_plane_vm_ctx *vm)
{
	budget_state.exits++;
	wait_for(budget_state.exit_ms);
}

#endif
#endif /* BUDGET_H */
