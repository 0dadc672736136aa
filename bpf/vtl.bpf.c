// SPDX-License-Identifier: GPL-2.0
/*
 * Hyper-V virtual trust levels: VTL n is plane n, and higher is more privileged.
 *
 * A VTL call runs the next higher VTL that the vCPU has, a VTL return the one
 * that was suspended for the VTL that returns. The general registers but RSP,
 * CR2, DR0-3, XCR0 and the FPU are shared by all VTLs; the rest is private. A
 * guest that does not use Hyper-V's hypercall interface is left alone.
 *
 * Section numbers are of the Hypervisor Top-Level Functional Specification
 * (TLFS), chapter "Virtual Secure Mode".
 */
#include "kvm_planes.bpf.h"

/* TLFS, appendix A, hypercall codes */
#define HV_CALL_CODE_MASK	0xffffULL
#define HV_VTL_CALL		0x0011
#define HV_VTL_RETURN		0x0012

/* TLFS, "VTL return": bit 0 of the input, RAX and RCX are not restored */
#define HV_VTL_RETURN_FAST	1ULL

/* TLFS, HV_VP_ASSIST_PAGE, its HV_VP_VTL_CONTROL at offset 8 */
#define HV_ASSIST_ENTRY_REASON	0x08
#define HV_ASSIST_RETURN_REGS	0x10
#define HV_ENTRY_REASON_CALL	1

/* TLFS, "Private state" and "Shared state"; the FPU is shared without copying. */
#define VTL_SHARED_STATE	KVM_PLANE_STATE_ALL

#define X86_UD			6
#define NO_VTL			-1

char _license[] SEC("license") = "GPL";

struct vtl_call {
	__u64 control;
	__u64 input;
};

/* TLFS, "VTL call": the stub put the caller's RCX into RAX and the control word into RCX */
static __always_inline void read_call(struct kvm_plane_ctx *ctx, struct vtl_call *call)
{
	__u64 rax = ctx->regs[KVM_PLANE_REG_RAX];
	__u64 rcx = ctx->regs[KVM_PLANE_REG_RCX];

	if (ctx->mode == KVM_PLANE_MODE_64BIT) {
		call->control = rcx;
		call->input = rax;
		return;
	}

	call->control = ctx->regs[KVM_PLANE_REG_RDX] << 32 | (__u32)rax;
	call->input = (__u32)rcx;
}

static __always_inline int next_higher(struct kvm_plane_ctx *ctx)
{
	int vtl;

	for (vtl = 1; vtl < KVM_MAX_PLANES; vtl++)
		if (vtl > ctx->plane && ctx->planes & (1U << vtl))
			return vtl;
	return NO_VTL;
}

/* The VTL suspended last is the highest; without one (a VMM may not say), the next lower. */
static __always_inline int next_lower(struct kvm_plane_ctx *ctx)
{
	__u32 lower = ctx->planes & ((1U << ctx->plane) - 1);
	int vtl;

	if (lower & ctx->suspended)
		lower &= ctx->suspended;
	for (vtl = KVM_MAX_PLANES - 1; vtl >= 0; vtl--)
		if (lower & (1U << vtl))
			return vtl;
	return NO_VTL;
}

static __always_inline int raise_ud(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_inject(ctx, X86_UD);
	return KVM_PLANE_RESUME;
}

static __always_inline int switch_to(struct kvm_plane_ctx *ctx, int vtl, __u32 suspended)
{
	bpf_kvm_plane_skip_insn(ctx);
	bpf_kvm_plane_suspend(ctx, suspended);
	bpf_kvm_plane_switch(ctx, vtl, VTL_SHARED_STATE);
	return KVM_PLANE_SWITCH;
}

static __always_inline int vtl_call(struct kvm_plane_ctx *ctx, __u64 input)
{
	__u32 reason = HV_ENTRY_REASON_CALL;
	int vtl = next_higher(ctx);
	int err;

	if (input || vtl == NO_VTL)
		return raise_ud(ctx);

	/* A page that is not in memory is userspace's to bring in. */
	err = bpf_kvm_plane_write_assist(ctx, vtl, HV_ASSIST_ENTRY_REASON,
					 &reason, sizeof(reason));
	if (err && err != -ENOENT)
		return KVM_PLANE_USER;

	return switch_to(ctx, vtl, ctx->suspended | 1U << ctx->plane);
}

/* TLFS, "VTL return": what is not a fast return loads RAX and RCX from the assist page. */
static __always_inline int restore_regs(struct kvm_plane_ctx *ctx)
{
	__u64 rax_rcx[2];
	__u32 eax_ecx_edx[3];
	int err;

	if (ctx->mode == KVM_PLANE_MODE_64BIT) {
		err = bpf_kvm_plane_read_assist(ctx, ctx->plane, HV_ASSIST_RETURN_REGS,
						rax_rcx, sizeof(rax_rcx));
		if (err)
			return err;
		bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RAX, rax_rcx[0]);
		bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RCX, rax_rcx[1]);
		return 0;
	}

	err = bpf_kvm_plane_read_assist(ctx, ctx->plane, HV_ASSIST_RETURN_REGS,
					eax_ecx_edx, sizeof(eax_ecx_edx));
	if (err)
		return err;
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RAX, eax_ecx_edx[0]);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RCX, eax_ecx_edx[1]);
	bpf_kvm_plane_write_reg(ctx, KVM_PLANE_REG_RDX, eax_ecx_edx[2]);
	return 0;
}

static __always_inline int vtl_return(struct kvm_plane_ctx *ctx, __u64 input)
{
	int vtl = next_lower(ctx);
	int err;

	if (input & ~HV_VTL_RETURN_FAST || vtl == NO_VTL)
		return raise_ud(ctx);

	/* Without an assist page there is nothing to load. */
	if (!(input & HV_VTL_RETURN_FAST)) {
		err = restore_regs(ctx);
		if (err && err != -ENOENT)
			return KVM_PLANE_USER;
	}

	return switch_to(ctx, vtl, ctx->suspended & ~(1U << vtl));
}

static __always_inline int hypercall(struct kvm_plane_ctx *ctx)
{
	struct vtl_call call;
	__u64 code;

	if (ctx->abi != KVM_PLANE_ABI_HYPERV)
		return KVM_PLANE_PASS;

	read_call(ctx, &call);
	code = call.control & HV_CALL_CODE_MASK;
	if (code != HV_VTL_CALL && code != HV_VTL_RETURN)
		return KVM_PLANE_PASS;

	/* TLFS, "Hypercall interface": from CPL 0 in protected mode, else #UD */
	if (call.control != code || ctx->cpl || ctx->mode == KVM_PLANE_MODE_REAL)
		return raise_ud(ctx);

	return code == HV_VTL_CALL ? vtl_call(ctx, call.input) : vtl_return(ctx, call.input);
}

SEC("struct_ops/vtl_hypercall")
int BPF_PROG(vtl_hypercall, struct kvm_plane_ctx *pctx)
{
	return hypercall(pctx);
}

SEC(".struct_ops.link")
struct kvm_plane_ops vtl = {
	.hypercall = (void *)vtl_hypercall,
	.abi = KVM_PLANE_ABI,
	.name = "vtl",
};
