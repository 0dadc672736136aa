// SPDX-License-Identifier: GPL-2.0
/*
 * Hyper-V virtual trust levels: VTL n is plane n, and higher is more privileged.
 *
 * A VTL call runs the next higher VTL that is enabled. A VTL return runs the VTL that was
 * suspended when the returning VTL was entered. All VTLs share the general registers without RSP,
 * CR2, DR0 to DR3, XCR0 and the FPU; the rest is private to a VTL. The policy ignores guests that
 * do not use Hyper-V's hypercall interface.
 *
 * An interrupt for a higher VTL preempts a lower VTL, whatever RFLAGS.IF of either VTL is; only
 * the APIC priority of the higher VTL holds the interrupt back. An interrupt for a lower VTL waits,
 * and the higher VTL is notified of it once by an interrupt, if it asked for that (VINA).
 * VinaAsserted is in the assist page, so a VTL without an assist page is not notified. AutoEoi is
 * not implemented.
 *
 * All VTLs that a vCPU has are enabled, and VINA is off, unless the VMM says otherwise in two MSRs
 * (<linux/kvm_plane_vtl.h>). If a VTL violates memory attributes, the VMM has to turn this into an
 * intercept.
 *
 * "TLFS" is the Hypervisor Top-Level Functional Specification, chapter "Virtual Secure Mode" where
 * no other one is named.
 */
#include "kvm_planes.bpf.h"
#include <linux/kvm_plane_vtl.h>

/* TLFS, appendix A, hypercall codes */
#define HV_CALL_CODE_MASK	0xffffULL
#define HV_VTL_CALL		0x0011
#define HV_VTL_RETURN		0x0012

/* TLFS, "VTL return": bit 0 of the input, RAX and RCX are not restored */
#define HV_VTL_RETURN_FAST	1ULL

/* TLFS, HV_VP_ASSIST_PAGE, its HV_VP_VTL_CONTROL at offset 8 */
#define HV_ASSIST_ENTRY_REASON	0x08
#define HV_ASSIST_VINA_STATUS	0x0c
#define HV_ASSIST_RETURN_REGS	0x10
#define HV_ENTRY_REASON_CALL	1
#define HV_ENTRY_REASON_INTERRUPT	2
#define HV_VINA_ASSERTED	1

/* TLFS, "Private state" and "Shared state"; the FPU is shared without copying. */
#define VTL_SHARED_STATE	KVM_PLANE_STATE_ALL

#define X86_UD			6
#define X86_FIRST_IRQ		16
#define NO_VTL			-1
#define ALL_VTLS		((1ULL << KVM_MAX_PLANES) - 1)

#define VINA_MASK		(KVM_PLANE_VTL_VINA_VECTOR | KVM_PLANE_VTL_VINA_ENABLED | \
				 KVM_PLANE_VTL_VINA_AUTO_RESET)

char _license[] SEC("license") = "GPL";

struct vtl_call {
	__u64 control;
	__u64 input;
};

/* TLFS, "VTL call": the stub has put the caller's RCX into RAX, and the control word into RCX */
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

/*
 * The settings that the VMM chose for this vCPU, as one number: the enabled VTLs in bits 15:0, and
 * the VINA register of VTL n from bit 16 * n on. KVM keeps the number until KVM_RUN returns.
 */
static __u64 look_up_settings(struct kvm_plane_ctx *ctx)
{
	__u64 enabled = bpf_kvm_plane_read_latch(ctx, 0, KVM_PLANE_VTL_MSR_ENABLED);
	__u64 settings;
	int vtl;

	/* VTL 0 is always enabled, so the settings are never 0. */
	settings = enabled ? (enabled & ALL_VTLS) | 1 : ALL_VTLS;
	for (vtl = 1; vtl < KVM_MAX_PLANES; vtl++)
		settings |= (bpf_kvm_plane_read_latch(ctx, vtl, KVM_PLANE_VTL_MSR_VINA) &
			     VINA_MASK) << 16 * vtl;
	bpf_kvm_plane_cache(ctx, settings);
	return settings;
}

static __always_inline __u64 get_settings(struct kvm_plane_ctx *ctx)
{
	return ctx->cached ?: look_up_settings(ctx);
}

static __always_inline int highest(__u32 vtls)
{
	int vtl;

	for (vtl = KVM_MAX_PLANES - 1; vtl >= 0; vtl--)
		if (vtls & (1U << vtl))
			return vtl;
	return NO_VTL;
}

static __always_inline int next_higher(struct kvm_plane_ctx *ctx, __u32 enabled)
{
	int vtl;

	for (vtl = 1; vtl < KVM_MAX_PLANES; vtl++)
		if (vtl > ctx->plane && enabled & (1U << vtl))
			return vtl;
	return NO_VTL;
}

/* The highest VTL that is suspended; if none is (the VMM may not say), the next lower one */
static __always_inline int next_lower(struct kvm_plane_ctx *ctx, __u32 enabled)
{
	__u32 lower = enabled & ((1U << ctx->plane) - 1);

	if (lower & ctx->suspended)
		lower &= ctx->suspended;
	return highest(lower);
}

static __always_inline int raise_ud(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_inject(ctx, X86_UD);
	return KVM_PLANE_RESUME;
}

/* A VTL may wait for a SIPI. Then the policy does nothing and leaves the exit to userspace. */
static __always_inline bool can_run(struct kvm_plane_ctx *ctx, int vtl)
{
	return ctx->runnable & (1U << vtl);
}

static __always_inline int switch_to(struct kvm_plane_ctx *ctx, int vtl, __u32 suspended)
{
	bpf_kvm_plane_suspend(ctx, suspended);
	bpf_kvm_plane_switch(ctx, vtl, VTL_SHARED_STATE);
	return KVM_PLANE_SWITCH;
}

/* TLFS, "VTL entry": the VTL that is left is suspended until the one entered returns. */
static __always_inline int enter(struct kvm_plane_ctx *ctx, int vtl, __u32 reason)
{
	int err;

	if (!can_run(ctx, vtl))
		return KVM_PLANE_USER;

	/* If the page is not in memory, userspace brings it in. */
	err = bpf_kvm_plane_write_assist(ctx, vtl, HV_ASSIST_ENTRY_REASON,
					 &reason, sizeof(reason));
	if (err && err != -ENOENT)
		return KVM_PLANE_USER;

	return switch_to(ctx, vtl, ctx->suspended | 1U << ctx->plane);
}

static __always_inline int vtl_call(struct kvm_plane_ctx *ctx, __u64 input)
{
	int vtl = next_higher(ctx, ctx->planes & get_settings(ctx));

	if (input || vtl == NO_VTL)
		return raise_ud(ctx);

	bpf_kvm_plane_skip_insn(ctx);
	return enter(ctx, vtl, HV_ENTRY_REASON_CALL);
}

/* TLFS, "VTL return": a return that is not fast loads RAX and RCX from the assist page. */
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

/* TLFS, "Virtual Interrupt Notification Assist": AutoReset clears VinaAsserted. */
static __always_inline int reset_vina(struct kvm_plane_ctx *ctx)
{
	__u8 status = 0;

	return bpf_kvm_plane_write_assist(ctx, ctx->plane, HV_ASSIST_VINA_STATUS,
					  &status, sizeof(status));
}

static __always_inline int vtl_return(struct kvm_plane_ctx *ctx, __u64 input)
{
	__u64 settings = get_settings(ctx);
	int vtl = next_lower(ctx, ctx->planes & settings);
	int err;

	if (input & ~HV_VTL_RETURN_FAST || vtl == NO_VTL)
		return raise_ud(ctx);
	if (!can_run(ctx, vtl))
		return KVM_PLANE_USER;

	/* Without an assist page there is nothing to load. */
	if (!(input & HV_VTL_RETURN_FAST)) {
		err = restore_regs(ctx);
		if (err && err != -ENOENT)
			return KVM_PLANE_USER;
	}

	if (settings >> 16 * ctx->plane & KVM_PLANE_VTL_VINA_AUTO_RESET) {
		err = reset_vina(ctx);
		if (err && err != -ENOENT)
			return KVM_PLANE_USER;
	}

	bpf_kvm_plane_skip_insn(ctx);
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

/* A lower VTL has an interrupt: notify the VTL that runs, unless it was notified already. */
static __always_inline int notify(struct kvm_plane_ctx *ctx, __u64 vina)
{
	__u8 vector = vina & KVM_PLANE_VTL_VINA_VECTOR;
	__u8 status;
	int err;

	if (!(vina & KVM_PLANE_VTL_VINA_ENABLED) || vector < X86_FIRST_IRQ)
		return KVM_PLANE_PASS;

	err = bpf_kvm_plane_read_assist(ctx, ctx->plane, HV_ASSIST_VINA_STATUS,
					&status, sizeof(status));
	if (err == -ENOENT || status & HV_VINA_ASSERTED)
		return KVM_PLANE_PASS;

	/* The bit comes with the interrupt. If userspace has the local APICs, it does both. */
	if (!err)
		err = bpf_kvm_plane_raise_irq(ctx, ctx->plane, vector);
	if (!err) {
		status |= HV_VINA_ASSERTED;
		err = bpf_kvm_plane_write_assist(ctx, ctx->plane, HV_ASSIST_VINA_STATUS,
						 &status, sizeof(status));
	}
	return err ? KVM_PLANE_USER : KVM_PLANE_RESUME;
}

/* TLFS, "Interrupt management": the highest VTL that has an interrupt runs. */
SEC("struct_ops/vtl_event")
int BPF_PROG(vtl_event, struct kvm_plane_ctx *pctx)
{
	__u64 settings = get_settings(pctx);
	int vtl = highest(pctx->pending & pctx->runnable & settings);

	if (vtl > pctx->plane)
		return enter(pctx, vtl, HV_ENTRY_REASON_INTERRUPT);

	/* Returning to a VTL that has interrupts disabled would not help it. */
	if (pctx->ready & settings & ((1U << pctx->plane) - 1))
		return notify(pctx, settings >> 16 * pctx->plane);
	return KVM_PLANE_PASS;
}

/* VTLs share the FPU. */
SEC("struct_ops/vtl_attach")
int BPF_PROG(vtl_attach, struct kvm_plane_vm_ctx *vm)
{
	return vm->split_fpu ? -EOPNOTSUPP : 0;
}

SEC(".struct_ops.link")
struct kvm_plane_ops vtl = {
	.hypercall = (void *)vtl_hypercall,
	.event = (void *)vtl_event,
	.attach = (void *)vtl_attach,
	.latches = { KVM_PLANE_VTL_MSR_VINA, KVM_PLANE_VTL_MSR_ENABLED },
	.abi = KVM_PLANE_ABI,
	.name = "vtl",
};
