// SPDX-License-Identifier: GPL-2.0
/*
 * AMD VMPLs switched by the VMM, as an example of how a VMM can do it, and as what
 * bpf/vmpl.bpf.c is measured against and tested to be the same as.
 *
 * A VMPL's registers are all its own, so that a switch is a number in kvm_run: no ioctl. What
 * VMGEXIT asks for is in a page, or in the GHCB MSR, whose value the VMM has, as each access
 * to an MSR that KVM does not know exits; but once a policy has made it an MSR of KVM's, that
 * has to be asked for at each VMGEXIT.
 *
 * Restricted injection is left out: only in the kernel can the injection of an interrupt be
 * stopped. The features say so.
 *
 * Creating a VMPL is userspace's with a policy, too: that leaves it to the VMM. Real hardware
 * runs a VMSA only if VMPL 0 made it one, by RMPADJUST, so that here it is VMPL 0 that may create
 * VMPLs. One that is to start on INIT is refused: none arrives at a VMPL here. Memory attributes
 * stand in for RMPADJUST, and a call of this program's for the instruction.
 */
#include <errno.h>
#include <linux/kvm_plane_vmpl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmpl_guest.h"
#include "vmpl_switch.h"

#define GHCB_SIZE	4096

/* The MSR protocol, what is 0 in a request to run a VMPL */
#define RUN_VMPL_RESERVED	(~(0xffULL << GHCB_MSR_VMPL_SHIFT | GHCB_MSR_INFO))
#define AP_CREATE_RESERVED	0xfff00000ULL
#define AP_VMPL_MASK		0xf
#define FEATURES		(GHCB_FEATURE_AP_CREATION | GHCB_FEATURE_MULTI_VMPL)

/* The APIC id of the one vCPU, as vm_create() has it */
#define APIC_ID		0

#define MSR_PAT		0x277
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_CSTAR	0xc0000083
#define MSR_SFMASK	0xc0000084
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_SYSENTER_CS	0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176

/* APM volume 1, "XSAVE area" */
#define XSAVE_MXCSR	24
#define XSAVE_XSTATE_BV	512
#define XSTATE_X87	1
#define XSTATE_SSE	2

static struct kvm_run_planes *planes(struct vmpl *vmpl)
{
	return kvm_run_planes(vmpl->vm->run);
}

struct vm *vmpl_create_vm(int nr_vmpls)
{
	return vm_create_with(nr_vmpls, KVM_CAP_PLANE_FPU, 1);
}

/* All planes at once: KVM looks at VMGEXIT in a VM that has a second one. */
void vmpl_init(struct vmpl *vmpl, struct vm *vm)
{
	int i;

	*vmpl = (struct vmpl) { .vm = vm };
	for (i = 0; i < KVM_MAX_PLANES; i++) {
		if (i && vm->plane[i] < 0)
			vm->plane[i] = vm_ioctl(vm->fd, KVM_CREATE_PLANE, i);
		if (vm->vcpu[i] >= 0)
			vmpl->runnable |= 1U << i;
	}
	if (vm_enable_cap(vm->fd, KVM_CAP_PLANE, KVM_PLANE_EXIT_VMGEXIT, 0, 0))
		fail("KVM_CAP_PLANE: %s", strerror(errno));
	if (vm_enable_cap(vm->fd, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN, 0, 0))
		fail("KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
}

static void request_exits(struct vmpl *vmpl, int running)
{
	if (vmpl->interrupts)
		planes(vmpl)->req_exit_planes = running ? 1 : 0;
}

void vmpl_take_interrupts(struct vmpl *vmpl)
{
	vmpl->interrupts = true;
	request_exits(vmpl, planes(vmpl)->plane);
}

static __u64 get_ghcb_msr(struct vmpl *vmpl, int vmpl_nr)
{
	if (vmpl->kernel_msrs)
		return vm_get_msr(vmpl->vm, vmpl_nr, GHCB_MSR);
	return vmpl->ghcb_msr[vmpl_nr];
}

static void set_ghcb_msr(struct vmpl *vmpl, int vmpl_nr, __u64 value)
{
	if (!vmpl->kernel_msrs)
		vmpl->ghcb_msr[vmpl_nr] = value;
	else if (!vm_set_msr(vmpl->vm, vmpl_nr, GHCB_MSR, value))
		fail("KVM_SET_MSRS: no GHCB MSR");
}

/* From the first policy on that has them, the GHCB MSRs are KVM's. */
int vmpl_use_policy(struct vmpl *vmpl, int token)
{
	int err = vm_enable_cap(vmpl->vm->fd, KVM_CAP_PLANE_SWITCH, token, 0, 0);
	int i;

	if (err || token < 0 || vmpl->kernel_msrs)
		return err;
	for (i = 0; i < KVM_MAX_PLANES; i++)
		if (vmpl->vm->vcpu[i] >= 0)
			vmpl->kernel_msrs = vm_set_msr(vmpl->vm, i, GHCB_MSR, vmpl->ghcb_msr[i]);
	return 0;
}

static bool is_runnable(struct vmpl *vmpl, __u64 vmpl_nr)
{
	return vmpl_nr < KVM_MAX_PLANES && vmpl->runnable & 1U << vmpl_nr;
}

static void switch_to(struct vmpl *vmpl, int to)
{
	if (to == planes(vmpl)->plane)
		return;
	planes(vmpl)->plane = to;
	planes(vmpl)->suspended_planes &= ~(1U << to);
	request_exits(vmpl, to);
	vmpl->switches++;
}

/* An interrupt for VMPL 0: those for others do not exit. */
static void preempt(struct vmpl *vmpl)
{
	if (!planes(vmpl)->plane)
		return;
	planes(vmpl)->suspended_planes |= 1U << planes(vmpl)->plane;
	switch_to(vmpl, 0);
}

/* The answer is what the VMPL that is left sees when it runs again. */
static void run_by_msr(struct vmpl *vmpl, __u64 request)
{
	__u64 to = request >> GHCB_MSR_VMPL_SHIFT;
	bool ok = !(request & RUN_VMPL_RESERVED) && is_runnable(vmpl, to);

	set_ghcb_msr(vmpl, planes(vmpl)->plane,
		     (__u64)!ok << GHCB_MSR_ERROR_SHIFT | GHCB_MSR_RUN_VMPL_ANSWER);
	if (ok)
		switch_to(vmpl, to);
}

static void answer(struct ghcb *ghcb, __u64 info_1, __u64 info_2)
{
	ghcb->sw_exit_info_1 = info_1;
	ghcb->sw_exit_info_2 = info_2;
	ghcb->valid_bitmap[0] = 0;
	ghcb->valid_bitmap[1] = GHCB_VALID_INFO;
}

static void refuse(struct ghcb *ghcb, __u64 reason)
{
	answer(ghcb, GHCB_MALFORMED, reason);
}

static void run_by_page(struct vmpl *vmpl, struct ghcb *ghcb, __u64 to, __u64 info_2)
{
	if (info_2 || !is_runnable(vmpl, to)) {
		refuse(ghcb, GHCB_INVALID_INPUT);
		return;
	}
	answer(ghcb, GHCB_OK, 0);
	switch_to(vmpl, to);
}

static struct kvm_segment segment(const struct vmsa_segment *seg)
{
	return (struct kvm_segment) {
		.selector = seg->selector,
		.base = seg->base,
		.limit = seg->limit,
		.type = seg->attrib & 0xf,
		.s = seg->attrib >> 4 & 1,
		.dpl = seg->attrib >> 5 & 3,
		.present = seg->attrib >> 7 & 1,
		.unusable = !(seg->attrib >> 7 & 1),
		.avl = seg->attrib >> 8 & 1,
		.l = seg->attrib >> 9 & 1,
		.db = seg->attrib >> 10 & 1,
		.g = seg->attrib >> 11 & 1,
	};
}

/* These return whether KVM accepts what is in the VMSA. */

static bool load_sregs(int vcpu, const struct vmsa *vmsa)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs = segment(&vmsa->cs);
	sregs.ds = segment(&vmsa->ds);
	sregs.es = segment(&vmsa->es);
	sregs.fs = segment(&vmsa->fs);
	sregs.gs = segment(&vmsa->gs);
	sregs.ss = segment(&vmsa->ss);
	sregs.tr = segment(&vmsa->tr);
	sregs.ldt = segment(&vmsa->ldtr);
	sregs.gdt.base = vmsa->gdtr.base;
	sregs.gdt.limit = vmsa->gdtr.limit;
	sregs.idt.base = vmsa->idtr.base;
	sregs.idt.limit = vmsa->idtr.limit;
	sregs.cr0 = vmsa->cr0;
	sregs.cr2 = vmsa->cr2;
	sregs.cr3 = vmsa->cr3;
	sregs.cr4 = vmsa->cr4;
	/* SVME is what makes it a VMSA that runs; KVM would let the VMPL have VMs. */
	sregs.efer = vmsa->efer & ~EFER_SVME;
	return !ioctl(vcpu, KVM_SET_SREGS, &sregs);
}

static bool load_regs(int vcpu, const struct vmsa *vmsa)
{
	const struct kvm_regs regs = {
		.rax = vmsa->rax, .rsp = vmsa->rsp, .rip = vmsa->rip, .rflags = vmsa->rflags,
		.rcx = vmsa->gpr[RCX], .rdx = vmsa->gpr[RDX], .rbx = vmsa->gpr[RBX],
		.rbp = vmsa->gpr[RBP], .rsi = vmsa->gpr[RSI], .rdi = vmsa->gpr[RDI],
		.r8 = vmsa->gpr[R8], .r9 = vmsa->gpr[R9], .r10 = vmsa->gpr[R10],
		.r11 = vmsa->gpr[R11], .r12 = vmsa->gpr[R12], .r13 = vmsa->gpr[R13],
		.r14 = vmsa->gpr[R14], .r15 = vmsa->gpr[R15],
	};

	return !ioctl(vcpu, KVM_SET_REGS, &regs);
}

static bool load_debugregs(int vcpu, const struct vmsa *vmsa)
{
	struct kvm_debugregs debugregs = { .dr6 = vmsa->dr6, .dr7 = vmsa->dr7 };

	memcpy(debugregs.db, vmsa->dr, sizeof(debugregs.db));
	return !ioctl(vcpu, KVM_SET_DEBUGREGS, &debugregs);
}

/* In the format of XSAVE, where KVM_SET_FPU would not take MXCSR. */
static bool load_fpu(int vcpu, const struct vmsa *vmsa)
{
	const struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = vmsa->xcr0 };
	struct kvm_xsave xsave = {
		.region[0] = vmsa->x87_fcw | (__u32)vmsa->x87_fsw << 16,
		.region[XSAVE_MXCSR / 4] = vmsa->mxcsr,
		.region[XSAVE_XSTATE_BV / 4] = XSTATE_X87 | XSTATE_SSE,
	};

	return !ioctl(vcpu, KVM_SET_XSAVE, &xsave) && !ioctl(vcpu, KVM_SET_XCRS, &xcrs);
}

static bool load_msrs(struct vm *vm, int vmpl_nr, const struct vmsa *vmsa)
{
	return vm_set_msr(vm, vmpl_nr, MSR_PAT, vmsa->g_pat) &&
	       vm_set_msr(vm, vmpl_nr, MSR_STAR, vmsa->star) &&
	       vm_set_msr(vm, vmpl_nr, MSR_LSTAR, vmsa->lstar) &&
	       vm_set_msr(vm, vmpl_nr, MSR_CSTAR, vmsa->cstar) &&
	       vm_set_msr(vm, vmpl_nr, MSR_SFMASK, vmsa->sfmask) &&
	       vm_set_msr(vm, vmpl_nr, MSR_KERNEL_GS_BASE, vmsa->kernel_gs_base) &&
	       vm_set_msr(vm, vmpl_nr, MSR_SYSENTER_CS, vmsa->sysenter_cs) &&
	       vm_set_msr(vm, vmpl_nr, MSR_SYSENTER_ESP, vmsa->sysenter_esp) &&
	       vm_set_msr(vm, vmpl_nr, MSR_SYSENTER_EIP, vmsa->sysenter_eip);
}

/* What the VMPL was about to do, if it was created before */
static void forget_events(int vcpu)
{
	struct kvm_vcpu_events events = { };

	vm_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

/* A policy, too, sees by this whether the VMPL can run. */
static void set_runnable(struct vmpl *vmpl, int vmpl_nr, bool runnable)
{
	struct kvm_mp_state state = {
		.mp_state = runnable ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
	};

	vm_ioctl(vmpl->vm->vcpu[vmpl_nr], KVM_SET_MP_STATE, &state);
	if (runnable)
		vmpl->runnable |= 1U << vmpl_nr;
	else
		vmpl->runnable &= ~(1U << vmpl_nr);
}

/* A VMPL of which not all could be loaded does not run. */
static bool create_vmpl(struct vmpl *vmpl, int vmpl_nr, const struct vmsa *vmsa)
{
	struct vm *vm = vmpl->vm;
	bool loaded;
	int vcpu;

	if (vm->vcpu[vmpl_nr] < 0)
		vm->vcpu[vmpl_nr] = vm_ioctl(vm->plane[vmpl_nr], KVM_CREATE_VCPU_PLANE,
					     vm->vcpu[0]);
	vcpu = vm->vcpu[vmpl_nr];
	forget_events(vcpu);
	loaded = load_sregs(vcpu, vmsa) && load_regs(vcpu, vmsa) && load_debugregs(vcpu, vmsa) &&
		 load_fpu(vcpu, vmsa) && load_msrs(vm, vmpl_nr, vmsa);
	set_runnable(vmpl, vmpl_nr, loaded);
	return loaded;
}

static bool create_from_page(struct vmpl *vmpl, int vmpl_nr, __u64 gpa, __u64 sev_features)
{
	struct vmsa vmsa, *page = vm_memory(vmpl->vm, gpa, sizeof(vmsa));

	if (gpa % sizeof(vmsa) || !page)
		return false;
	/* Once: another vCPU may be writing there. */
	memcpy(&vmsa, page, sizeof(vmsa));
	return vmsa.efer & EFER_SVME && vmsa.vmpl == vmpl_nr &&
	       vmsa.sev_features == sev_features && create_vmpl(vmpl, vmpl_nr, &vmsa);
}

static bool ap_create(struct vmpl *vmpl, __u64 info_1, __u64 gpa, __u64 sev_features)
{
	__u64 vmpl_nr = info_1 >> GHCB_AP_VMPL_SHIFT & AP_VMPL_MASK;

	/* Who asks does so in VMPL 0, the VMSA that it runs on. */
	if (planes(vmpl)->plane || !vmpl_nr || vmpl_nr >= KVM_MAX_PLANES)
		return false;
	if (info_1 & AP_CREATE_RESERVED || info_1 >> GHCB_AP_APIC_ID_SHIFT != APIC_ID)
		return false;

	switch (info_1 & GHCB_AP_REQUEST) {
	case GHCB_AP_CREATE_NOW:
		return create_from_page(vmpl, vmpl_nr, gpa, sev_features);
	case GHCB_AP_DESTROY:
		if (vmpl->vm->vcpu[vmpl_nr] >= 0)
			set_runnable(vmpl, vmpl_nr, false);
		return true;
	default:
		return false;
	}
}

static void handle_ap_create(struct vmpl *vmpl, struct ghcb *ghcb, __u64 info_1, __u64 info_2)
{
	bool destroys = (info_1 & GHCB_AP_REQUEST) == GHCB_AP_DESTROY;

	if (!destroys && !(ghcb->valid_bitmap[0] & GHCB_VALID(rax)))
		refuse(ghcb, GHCB_MISSING_INPUT);
	else if (!ap_create(vmpl, info_1, info_2, ghcb->rax))
		refuse(ghcb, GHCB_INVALID_INPUT);
	else
		answer(ghcb, GHCB_OK, 0);
}

static void handle_page(struct vmpl *vmpl, struct ghcb *ghcb)
{
	__u64 info_1 = ghcb->sw_exit_info_1;
	__u64 info_2 = ghcb->sw_exit_info_2;

	if (ghcb->usage) {
		refuse(ghcb, GHCB_WRONG_USAGE);
		return;
	}
	if (~ghcb->valid_bitmap[1] & GHCB_VALID_1) {
		refuse(ghcb, GHCB_MISSING_INPUT);
		return;
	}

	switch (ghcb->sw_exit_code) {
	case GHCB_RUN_VMPL:
		run_by_page(vmpl, ghcb, info_1, info_2);
		break;
	case GHCB_AP_CREATE:
		handle_ap_create(vmpl, ghcb, info_1, info_2);
		break;
	case GHCB_HV_FEATURES:
		answer(ghcb, GHCB_OK, FEATURES);
		break;
	default:
		refuse(ghcb, GHCB_INVALID_EVENT);
	}
}

/* A page that is not memory gets no answer, as KVM gives none. */
static void handle_vmgexit(struct vmpl *vmpl)
{
	int vmpl_nr = planes(vmpl)->plane;
	__u64 value = get_ghcb_msr(vmpl, vmpl_nr);
	struct ghcb *ghcb;

	switch (value & GHCB_MSR_INFO) {
	case 0:
		ghcb = vm_memory(vmpl->vm, value, GHCB_SIZE);
		if (ghcb)
			handle_page(vmpl, ghcb);
		break;
	case GHCB_MSR_RUN_VMPL:
		run_by_msr(vmpl, value);
		break;
	case GHCB_MSR_FEATURES:
		set_ghcb_msr(vmpl, vmpl_nr,
			     FEATURES << GHCB_MSR_FEATURES_SHIFT | GHCB_MSR_FEATURES_ANSWER);
		break;
	}
}

static void handle_msr(struct vmpl *vmpl)
{
	struct kvm_run *run = vmpl->vm->run;
	int vmpl_nr = planes(vmpl)->plane;

	/* Any other is a #GP, as without the exit. */
	run->msr.error = run->msr.index != GHCB_MSR;
	if (run->msr.error)
		return;
	if (run->exit_reason == KVM_EXIT_X86_RDMSR)
		run->msr.data = vmpl->ghcb_msr[vmpl_nr];
	else
		vmpl->ghcb_msr[vmpl_nr] = run->msr.data;
}

/* As RMPADJUST does, it grants to less privileged VMPLs only; what it cannot do, is an error. */
static bool handle_rmpadjust(struct vmpl *vmpl)
{
	const struct vmpl_rmpadjust *request = &vmpl_rmpadjust_request;
	const struct guest_call *call = vm_guest_call(vmpl->vm);
	struct kvm_memory_attributes attrs = { .address = request->gpa, .size = request->size };

	if (!call || call->cmd != GUEST_SYNC || call->arg[0] != (unsigned long)request)
		return false;
	if (request->vmpl <= planes(vmpl)->plane || request->vmpl >= KVM_MAX_PLANES)
		fail("VMPL %u adjusts the memory of VMPL %u", planes(vmpl)->plane, request->vmpl);

	if (!(request->may & VMPL_MAY_READ))
		attrs.attributes |= KVM_MEMORY_ATTRIBUTE_NR;
	if (!(request->may & VMPL_MAY_WRITE))
		attrs.attributes |= KVM_MEMORY_ATTRIBUTE_NW;
	if (!(request->may & VMPL_MAY_EXECUTE))
		attrs.attributes |= KVM_MEMORY_ATTRIBUTE_NX;
	vm_ioctl(vmpl->vm->plane[request->vmpl], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	return true;
}

/* A policy could not access the VMPL's doorbell page: have it brought in. */
static void bring_in_doorbell(struct vmpl *vmpl)
{
	int vmpl_nr = planes(vmpl)->plane;
	__u64 gpa = vm_get_msr(vmpl->vm, vmpl_nr, KVM_PLANE_VMPL_MSR_DOORBELL);
	volatile char *page = vm_memory(vmpl->vm, gpa, sizeof(struct ghcb_doorbell));

	if (page)
		__atomic_fetch_or(page, 0, __ATOMIC_RELAXED);
	else if (!vm_set_msr(vmpl->vm, vmpl_nr, KVM_PLANE_VMPL_MSR_DOORBELL, 0))
		fail("KVM_SET_MSRS: no doorbell page");
}

static bool handle_event(struct vmpl *vmpl)
{
	switch (kvm_run_plane_event(vmpl->vm->run)->cause) {
	case KVM_PLANE_EVENT_VMGEXIT:
		handle_vmgexit(vmpl);
		return true;
	case KVM_PLANE_EVENT_INTERRUPT:
		preempt(vmpl);
		return true;
	case KVM_PLANE_EVENT_INJECT:
		bring_in_doorbell(vmpl);
		return true;
	default:
		return false;
	}
}

bool vmpl_handle_exit(struct vmpl *vmpl)
{
	switch (vmpl->vm->run->exit_reason) {
	case KVM_EXIT_PLANE_EVENT:
		return handle_event(vmpl);
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		handle_msr(vmpl);
		return true;
	case KVM_EXIT_IO:
		return handle_rmpadjust(vmpl);
	default:
		return false;
	}
}
