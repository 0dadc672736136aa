// SPDX-License-Identifier: GPL-2.0
/*
 * Software VMPLs: VMPL n is plane n, and lower is more privileged.
 *
 * This policy implements the protocol with which SEV-SNP guests switch between VM privilege
 * levels, and the switches, but without SEV-SNP: memory is not encrypted, there is no RMP, KVM
 * keeps the state of a VMPL and not a VMSA, and KVM's memory attributes stand in for RMPADJUST.
 *
 * A VMPL asks for another one with VMGEXIT, by the value in its GHCB MSR or through its GHCB
 * page, and sees the answer when it runs again. VMPLs share no state: each has its own registers
 * and its own FPU. An interrupt for VMPL 0 makes VMPL 0 run. An interrupt for another VMPL waits
 * until this VMPL runs. A VMPL that has set a #HV doorbell page is told of interrupts through
 * that page only (restricted injection).
 *
 * All other requests are left to userspace: creation of vCPUs, page states, termination. A
 * VMGEXIT is honoured at CPL 0 only. KVM can see the CPL here; with SEV-SNP it cannot.
 *
 * "GHCB" is AMD's "SEV-ES Guest-Hypervisor Communication Block Standardization". "APM" is the
 * AMD64 Architecture Programmer's Manual.
 */
#include "kvm_planes.bpf.h"
#include <linux/kvm_plane_vmpl.h>

/* GHCB, "MSR protocol": bits 11:0 are the kind of request or response. */
#define GHCB_MSR_INFO_MASK	0xfffULL
#define GHCB_MSR_RUN_VMPL_REQ	0x016
#define GHCB_MSR_RUN_VMPL_RESP	0x017
#define GHCB_MSR_RUN_VMPL_SHIFT	32
#define GHCB_MSR_RUN_VMPL_MASK	(0xffULL << GHCB_MSR_RUN_VMPL_SHIFT)
#define GHCB_MSR_ERROR		(1ULL << 32)
#define GHCB_MSR_FEATURES_REQ	0x080
#define GHCB_MSR_FEATURES_RESP	0x081
#define GHCB_MSR_FEATURES_SHIFT	12

/* GHCB, "Hypervisor features". SNP, bit 0, is not among them. */
#define GHCB_FEATURE_AP_CREATION	(1ULL << 1)
#define GHCB_FEATURE_RESTR_INJECTION	(1ULL << 2)
#define GHCB_FEATURE_MULTI_VMPL		(1ULL << 5)
#define GHCB_FEATURES		(GHCB_FEATURE_AP_CREATION | GHCB_FEATURE_RESTR_INJECTION | \
				 GHCB_FEATURE_MULTI_VMPL)

/* GHCB, "GHCB layout": offsets in the page. The bitmap has a bit for each quadword. */
#define GHCB_EXIT_CODE		0x390
#define GHCB_EXIT_INFO		0x398
#define GHCB_VALID_BITMAP	0x3f0
#define GHCB_USAGE		0xffc
#define GHCB_VALID_CODE		(1ULL << (GHCB_EXIT_CODE / 8 - 64))
#define GHCB_VALID_INFO		(3ULL << (GHCB_EXIT_INFO / 8 - 64))

/* GHCB, "Non-automatic events" */
#define GHCB_NAE_RUN_VMPL	0x80000018ULL
#define GHCB_NAE_DOORBELL	0x80000014ULL
#define GHCB_NAE_FEATURES	0x8000fffdULL
#define GHCB_DOORBELL_PREFERRED	0
#define GHCB_DOORBELL_SET	1
#define GHCB_DOORBELL_QUERY	2
#define GHCB_DOORBELL_CLEAR	3
#define GHCB_NO_ADDRESS		(~0ULL)

/* GHCB, "SW_EXITINFO1" of an answer, and SW_EXITINFO2 if that is "malformed input" */
#define GHCB_OK			0
#define GHCB_MALFORMED		2
#define GHCB_ERR_USAGE		2
#define GHCB_ERR_MISSING_INPUT	4
#define GHCB_ERR_INVALID_INPUT	5

/* GHCB, "#HV doorbell page": the first two bytes */
#define DOORBELL_VECTOR		0x00ff
#define DOORBELL_NMI		0x0100
#define DOORBELL_NO_FURTHER_SIGNAL	0x8000

#define PAGE_OFFSET_MASK	0xfffULL

/* APM volume 2, "#HV, hypervisor injection exception" */
#define X86_HV			28

char _license[] SEC("license") = "GPL";

/* The page from GHCB_EXIT_CODE to the end of the bitmap; the policy does not use @between. */
struct ghcb_request {
	__u64 code;
	__u64 info[2];
	__u64 between[9];
	__u64 valid[2];
};

/* A switch carries no state, because VMPLs share none. */
static __always_inline int switch_to(struct kvm_plane_ctx *ctx, __u32 vmpl, __u32 suspended)
{
	bpf_kvm_plane_suspend(ctx, suspended);
	bpf_kvm_plane_switch(ctx, vmpl, 0);
	return KVM_PLANE_SWITCH;
}

/* The VMGEXIT is answered. Run @vmpl, which may be the VMPL that made it. */
static __always_inline int go_on_with(struct kvm_plane_ctx *ctx, __u64 vmpl)
{
	bpf_kvm_plane_skip_insn(ctx);
	if (vmpl == ctx->plane)
		return KVM_PLANE_RESUME;
	return switch_to(ctx, vmpl, ctx->suspended & ~(1U << vmpl));
}

static __always_inline bool can_run(struct kvm_plane_ctx *ctx, __u64 vmpl)
{
	if (vmpl >= KVM_MAX_PLANES)
		return false;
	return vmpl == ctx->plane || ctx->runnable & (1U << vmpl);
}

/* GHCB, "Run at VMPL" by the MSR. The caller finds the answer when it runs again. */
static __always_inline int msr_run_vmpl(struct kvm_plane_ctx *ctx, __u64 request)
{
	__u64 vmpl = (request & GHCB_MSR_RUN_VMPL_MASK) >> GHCB_MSR_RUN_VMPL_SHIFT;
	__u64 response = GHCB_MSR_RUN_VMPL_RESP;

	if (request & ~(GHCB_MSR_RUN_VMPL_MASK | GHCB_MSR_INFO_MASK) || !can_run(ctx, vmpl)) {
		response |= GHCB_MSR_ERROR;
		vmpl = ctx->plane;
	}
	bpf_kvm_plane_write_latch(ctx, KVM_PLANE_VMPL_MSR_GHCB, response);
	return go_on_with(ctx, vmpl);
}

static __always_inline int msr_features(struct kvm_plane_ctx *ctx)
{
	bpf_kvm_plane_write_latch(ctx, KVM_PLANE_VMPL_MSR_GHCB,
				  GHCB_FEATURES << GHCB_MSR_FEATURES_SHIFT |
				  GHCB_MSR_FEATURES_RESP);
	return go_on_with(ctx, ctx->plane);
}

/* After this, only the answer is valid in the page. */
static __always_inline int answer(struct kvm_plane_ctx *ctx, __u64 ghcb, __u64 info1, __u64 info2,
				  __u64 vmpl)
{
	__u64 valid[2] = { 0, GHCB_VALID_INFO };
	__u64 info[2] = { info1, info2 };

	if (bpf_kvm_plane_write_mem(ctx, ctx->plane, ghcb + GHCB_EXIT_INFO, info, sizeof(info)) ||
	    bpf_kvm_plane_write_mem(ctx, ctx->plane, ghcb + GHCB_VALID_BITMAP,
				    valid, sizeof(valid)))
		return KVM_PLANE_USER;
	return go_on_with(ctx, vmpl);
}

static __always_inline int malformed(struct kvm_plane_ctx *ctx, __u64 ghcb, __u64 reason)
{
	return answer(ctx, ghcb, GHCB_MALFORMED, reason, ctx->plane);
}

/* GHCB, "SNP Run VMPL": SW_EXITINFO1 is the VMPL. */
static __always_inline int nae_run_vmpl(struct kvm_plane_ctx *ctx, __u64 ghcb,
					const struct ghcb_request *request)
{
	if (request->info[1] || !can_run(ctx, request->info[0]))
		return malformed(ctx, ghcb, GHCB_ERR_INVALID_INPUT);
	return answer(ctx, ghcb, GHCB_OK, 0, request->info[0]);
}

static __always_inline int set_doorbell(struct kvm_plane_ctx *ctx, __u64 ghcb, __u64 gpa)
{
	bpf_kvm_plane_write_latch(ctx, KVM_PLANE_VMPL_MSR_DOORBELL, gpa);
	return answer(ctx, ghcb, GHCB_OK, 0, ctx->plane);
}

/* GHCB, "#HV doorbell page" */
static __always_inline int nae_doorbell(struct kvm_plane_ctx *ctx, __u64 ghcb,
					const struct ghcb_request *request)
{
	__u64 gpa;

	switch (request->info[0]) {
	case GHCB_DOORBELL_PREFERRED:
		return answer(ctx, ghcb, GHCB_OK, GHCB_NO_ADDRESS, ctx->plane);
	case GHCB_DOORBELL_SET:
		gpa = request->info[1];
		if (!gpa || gpa & PAGE_OFFSET_MASK)
			break;
		return set_doorbell(ctx, ghcb, gpa);
	case GHCB_DOORBELL_QUERY:
		gpa = bpf_kvm_plane_read_latch(ctx, ctx->plane, KVM_PLANE_VMPL_MSR_DOORBELL);
		return answer(ctx, ghcb, GHCB_OK, gpa ?: GHCB_NO_ADDRESS, ctx->plane);
	case GHCB_DOORBELL_CLEAR:
		return set_doorbell(ctx, ghcb, 0);
	}
	return malformed(ctx, ghcb, GHCB_ERR_INVALID_INPUT);
}

/* If the page is not in memory, or the address is not a page, leave the VMGEXIT to userspace. */
static __always_inline int ghcb_page(struct kvm_plane_ctx *ctx, __u64 ghcb)
{
	struct ghcb_request request;
	__u64 missing;
	__u32 usage;

	if (!ghcb ||
	    bpf_kvm_plane_read_mem(ctx, ctx->plane, ghcb + GHCB_EXIT_CODE,
				   &request, sizeof(request)) ||
	    bpf_kvm_plane_read_mem(ctx, ctx->plane, ghcb + GHCB_USAGE, &usage, sizeof(usage)))
		return KVM_PLANE_USER;

	if (request.code != GHCB_NAE_RUN_VMPL && request.code != GHCB_NAE_DOORBELL &&
	    request.code != GHCB_NAE_FEATURES)
		return KVM_PLANE_USER;

	missing = ~request.valid[1] & (GHCB_VALID_CODE | GHCB_VALID_INFO);
	if (usage)
		return malformed(ctx, ghcb, GHCB_ERR_USAGE);
	if (missing)
		return malformed(ctx, ghcb, GHCB_ERR_MISSING_INPUT);

	switch (request.code) {
	case GHCB_NAE_RUN_VMPL:
		return nae_run_vmpl(ctx, ghcb, &request);
	case GHCB_NAE_DOORBELL:
		return nae_doorbell(ctx, ghcb, &request);
	default:
		return answer(ctx, ghcb, GHCB_OK, GHCB_FEATURES, ctx->plane);
	}
}

SEC("struct_ops/vmpl_hypercall")
int BPF_PROG(vmpl_hypercall, struct kvm_plane_ctx *pctx)
{
	__u64 ghcb;

	/* A VMMCALL without the prefix is a hypercall to KVM. */
	if (!pctx->vmgexit || pctx->cpl)
		return KVM_PLANE_PASS;

	ghcb = bpf_kvm_plane_read_latch(pctx, pctx->plane, KVM_PLANE_VMPL_MSR_GHCB);
	switch (ghcb & GHCB_MSR_INFO_MASK) {
	case 0:
		return ghcb_page(pctx, ghcb);
	case GHCB_MSR_RUN_VMPL_REQ:
		return msr_run_vmpl(pctx, ghcb);
	case GHCB_MSR_FEATURES_REQ:
		return msr_features(pctx);
	default:
		return KVM_PLANE_USER;
	}
}

/* Whether VMPL 0 was told of an event that it has not handled yet. It is told of one at a time. */
static __always_inline bool vmpl0_busy(struct kvm_plane_ctx *ctx)
{
	__u64 doorbell = bpf_kvm_plane_read_latch(ctx, 0, KVM_PLANE_VMPL_MSR_DOORBELL);
	__u16 event;

	if (!doorbell || bpf_kvm_plane_read_mem(ctx, 0, doorbell, &event, sizeof(event)))
		return false;
	return event & (DOORBELL_NO_FURTHER_SIGNAL | DOORBELL_VECTOR);
}

/* GHCB, "Restricted injection": run VMPL 0 when there is an event that it can be told of. */
SEC("struct_ops/vmpl_event")
int BPF_PROG(vmpl_event, struct kvm_plane_ctx *pctx)
{
	if (!pctx->plane || !(pctx->pending & pctx->runnable & 1) || vmpl0_busy(pctx))
		return KVM_PLANE_PASS;
	return switch_to(pctx, 0, pctx->suspended | 1U << pctx->plane);
}

/* Report an event in the doorbell page, unless the VMPL has not looked at the last one yet. */
SEC("struct_ops/vmpl_inject")
int BPF_PROG(vmpl_inject, struct kvm_plane_ctx *pctx)
{
	__u64 doorbell = bpf_kvm_plane_read_latch(pctx, pctx->plane, KVM_PLANE_VMPL_MSR_DOORBELL);
	__u16 event;

	if (!doorbell)
		return KVM_PLANE_PASS;
	/* Only interrupts of the local APIC and NMIs can be reported. */
	if (pctx->injection == KVM_PLANE_INJECT_EXTINT)
		return KVM_PLANE_RESUME;

	if (bpf_kvm_plane_read_mem(pctx, pctx->plane, doorbell, &event, sizeof(event)))
		return KVM_PLANE_USER;
	if (event & DOORBELL_NO_FURTHER_SIGNAL)
		return KVM_PLANE_RESUME;

	/* The VMPL may allow further signals before it takes the interrupt out of the page. */
	if (pctx->injection == KVM_PLANE_INJECT_IRQ && event & DOORBELL_VECTOR)
		return KVM_PLANE_RESUME;

	event |= pctx->injection == KVM_PLANE_INJECT_IRQ ? pctx->vector : DOORBELL_NMI;
	event |= DOORBELL_NO_FURTHER_SIGNAL;
	if (bpf_kvm_plane_write_mem(pctx, pctx->plane, doorbell, &event, sizeof(event)))
		return KVM_PLANE_USER;

	bpf_kvm_plane_take(pctx);
	bpf_kvm_plane_inject(pctx, X86_HV);
	return KVM_PLANE_RESUME;
}

/* VMPLs do not share the FPU. */
SEC("struct_ops/vmpl_attach")
int BPF_PROG(vmpl_attach, struct kvm_plane_vm_ctx *vm)
{
	return vm->split_fpu ? 0 : -EOPNOTSUPP;
}

SEC(".struct_ops.link")
struct kvm_plane_ops vmpl = {
	.hypercall = (void *)vmpl_hypercall,
	.event = (void *)vmpl_event,
	.inject = (void *)vmpl_inject,
	.attach = (void *)vmpl_attach,
	.latches = { KVM_PLANE_VMPL_MSR_GHCB, KVM_PLANE_VMPL_MSR_DOORBELL },
	.abi = KVM_PLANE_ABI,
	.name = "vmpl",
};
