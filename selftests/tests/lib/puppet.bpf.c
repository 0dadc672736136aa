// SPDX-License-Identifier: GPL-2.0
/* A policy that does what a test tells it. See selftests/puppet.h. */
#include "kvm_planes.bpf.h"
#include "puppet.h"

char _license[] SEC("license") = "GPL";

/* In .bss, which the test maps */
struct puppet puppet_state;

int bpf_copy_from_user_str(void *dst, __u32 dst__sz, const void *unsafe_ptr__ign,
			   __u64 flags) __ksym;

static __always_inline void see(struct kvm_plane_ctx *ctx, struct puppet_seen *seen)
{
	seen->plane = ctx->plane;
	seen->cpl = ctx->cpl;
	seen->mode = ctx->mode;
	seen->abi = ctx->abi;
	seen->planes = ctx->planes;
	seen->runnable = ctx->runnable;
	seen->suspended = ctx->suspended;
	seen->pending = ctx->pending;
	seen->vmgexit = ctx->vmgexit;
	seen->injection = ctx->injection;
	seen->vector = ctx->vector;
	seen->vcpu_id = ctx->vcpu_id;
	seen->msr = ctx->msr;
	seen->vm_id = ctx->vm_id;
	seen->access = ctx->access;
	seen->value = ctx->value;
	seen->gpa = ctx->gpa;
	seen->regs[0] = ctx->regs[0];
	seen->regs[1] = ctx->regs[1];
	seen->regs[2] = ctx->regs[2];
	seen->regs[3] = ctx->regs[3];
}

static __always_inline __u32 target(struct kvm_plane_ctx *ctx, const struct puppet_op *op)
{
	__u32 plane;

	switch (op->target) {
	case PUPPET_TO_PENDING:
		for (plane = 0; plane < KVM_MAX_PLANES; plane++)
			if (ctx->pending & 1U << plane)
				break;
		return plane;
	case PUPPET_TO_OTHER:
		return ctx->plane ^ 1;
	default:
		return op->target;
	}
}

static __always_inline void latch(struct kvm_plane_ctx *ctx, struct puppet_op *op)
{
	if (op->asks & PUPPET_WRITE_LATCH)
		op->result = bpf_kvm_plane_write_latch(ctx, op->latch, op->latch_value);
	if (op->asks & PUPPET_READ_LATCH)
		op->latch_read = bpf_kvm_plane_read_latch(ctx, op->latch_plane, op->latch);
}

static __always_inline int act(struct kvm_plane_ctx *ctx, struct puppet_op *op)
{
	__u32 size = op->size;
	__u32 asks = op->asks;

	see(ctx, &op->seen);
	op->calls++;
	if (op->times && op->calls > op->times)
		return KVM_PLANE_PASS;
	if (asks & PUPPET_BY_TURNS && op->calls % 3 != 2)
		return op->calls % 3 ? KVM_PLANE_RESUME : KVM_PLANE_PASS;

	if (size > sizeof(op->data))
		size = sizeof(op->data);
	if (asks & PUPPET_COUNT)
		bpf_kvm_plane_count(ctx, op->counter);
	if (asks & PUPPET_READ_MEM)
		op->result = bpf_kvm_plane_read_mem(ctx, op->mem_plane, op->gpa, op->data, size);
	if (asks & PUPPET_WRITE_MEM)
		op->result = bpf_kvm_plane_write_mem(ctx, op->mem_plane, op->gpa, op->data, size);
	if (asks & PUPPET_PENDING)
		op->result = bpf_kvm_plane_pending(ctx);
	if (asks & PUPPET_WRITE_REGS) {
		bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RAX, op->rax);
		bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RDX, op->rdx);
	}
	if (asks & PUPPET_SKIP)
		op->result = bpf_kvm_plane_skip_insn(ctx);
	if (asks & PUPPET_SUSPEND)
		op->result = bpf_kvm_plane_suspend(ctx, op->suspend);
	if (asks & PUPPET_RAISE_IRQ)
		op->result = bpf_kvm_plane_raise_irq(ctx, op->irq_plane, op->vector);
	if (asks & PUPPET_INJECT)
		op->result = bpf_kvm_plane_inject(ctx, op->exception);
	if (asks & PUPPET_SWITCH)
		op->result = bpf_kvm_plane_switch(ctx, target(ctx, op), op->state);
	if (asks & PUPPET_TAKE)
		op->result = bpf_kvm_plane_take(ctx);
	latch(ctx, op);
	return op->verdict;
}

#define PUPPET(name, nr)						\
SEC("struct_ops/puppet_" #name)						\
int BPF_PROG(puppet_##name, struct kvm_plane_ctx *pctx)			\
{									\
	return act(pctx, &puppet_state.op[nr]);				\
}

PUPPET(hypercall, PUPPET_HYPERCALL)
PUPPET(wrmsr, PUPPET_WRMSR)
PUPPET(rdmsr, PUPPET_RDMSR)
PUPPET(memory_fault, PUPPET_MEMORY_FAULT)
PUPPET(event, PUPPET_EVENT)
PUPPET(halt, PUPPET_HALT)
PUPPET(inject, PUPPET_INJECTION)

static __always_inline void see_vm(struct kvm_plane_vm_ctx *ctx, struct puppet_vm *vm)
{
	vm->vm_id = ctx->vm_id;
	vm->split_fpu = ctx->split_fpu;
	vm->kind = ctx->kind;
	vm->code = ctx->code;
	vm->calls++;
}

SEC("struct_ops.s/puppet_attach")
int BPF_PROG(puppet_attach, struct kvm_plane_vm_ctx *vctx)
{
	see_vm(vctx, &puppet_state.attach);
	if (puppet_state.attach_from)
		bpf_copy_from_user_str(puppet_state.attach_data,
				       sizeof(puppet_state.attach_data),
				       (void *)puppet_state.attach_from, 0);
	return puppet_state.attach_result;
}

SEC("struct_ops.s/puppet_detach")
void BPF_PROG(puppet_detach, struct kvm_plane_vm_ctx *vctx)
{
	see_vm(vctx, &puppet_state.detach);
}

SEC("struct_ops/puppet_exit")
void BPF_PROG(puppet_exit, struct kvm_plane_vm_ctx *vctx)
{
	see_vm(vctx, &puppet_state.exit);
}

SEC(".struct_ops.link")
struct kvm_plane_ops puppet = {
	.hypercall = (void *)puppet_hypercall,
	.wrmsr = (void *)puppet_wrmsr,
	.rdmsr = (void *)puppet_rdmsr,
	.memory_fault = (void *)puppet_memory_fault,
	.event = (void *)puppet_event,
	.halt = (void *)puppet_halt,
	.inject = (void *)puppet_inject,
	.attach = (void *)puppet_attach,
	.detach = (void *)puppet_detach,
	.exit = (void *)puppet_exit,
	.msrs = { PUPPET_MSR, PUPPET_MSR_PAT },
	.latches = { PUPPET_LATCH, PUPPET_MSR_PAT, PUPPET_LATCH_PRIVATE },
	.abi = KVM_PLANE_ABI,
	.name = "puppet",
};
