// SPDX-License-Identifier: GPL-2.0
/*
 * Hyper-V VTLs switched by the VMM, as an example of how a VMM can do it, and
 * as what bpf/vtl.bpf.c is measured against and tested to be the same as.
 *
 * An exit brings the general registers and the special ones with it, in kvm_run
 * (KVM_CAP_SYNC_REGS); the next KVM_RUN takes the former along to the VTL it
 * enters. What the VTLs share besides is read by ioctl, since a guest changes it
 * unseen, and set only if it differs from what the other VTL has. Of a VTL that
 * does not run the VMM remembers what it would have to ask for, its RSP for one;
 * and where its VP assist page is, as an MSR filter tells it of every write.
 *
 * Section numbers are of the Hypervisor Top-Level Functional Specification
 * (TLFS), chapter "Virtual Secure Mode".
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vtl_switch.h"

/* TLFS, appendix A, hypercall codes */
#define HV_CALL_CODE_MASK	0xffffULL
#define HV_VTL_CALL		0x0011
#define HV_VTL_RETURN		0x0012
#define HV_VTL_RETURN_FAST	1ULL

/* TLFS, HV_VP_ASSIST_PAGE */
#define HV_ASSIST_ENTRY_REASON	0x08
#define HV_ASSIST_RETURN_REGS	0x10
#define HV_ENTRY_REASON_CALL	1
#define HV_ENTRY_REASON_INTERRUPT	2

/* TLFS, "Synthetic MSRs" */
#define HV_MSR_GUEST_OS_ID	0x40000000
#define HV_MSR_VP_ASSIST_PAGE	0x40000073
#define HV_ASSIST_ENABLE	1ULL
#define HV_ASSIST_ADDRESS	(~0xfffULL)

#define EFER_LMA		(1ULL << 10)
#define NO_VTL			-1

static struct kvm_run_planes *planes(struct vtl *vtl)
{
	return kvm_run_planes(vtl->vm->run);
}

static void answer(struct vtl *vtl, __u32 flags)
{
	kvm_run_plane_event(vtl->vm->run)->flags = flags;
}

/* Writes to HV_X64_MSR_VP_ASSIST_PAGE exit, so that the VMM need not read it on each call. */
static void watch_assist_pages(struct vm *vm)
{
	__u8 denied = 0;
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_WRITE,
			.base = HV_MSR_VP_ASSIST_PAGE,
			.nmsrs = 1,
			.bitmap = &denied,
		},
	};

	if (vm_enable_cap(vm->fd, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER, 0, 0))
		fail("KVM_CAP_X86_USER_SPACE_MSR: %s", strerror(errno));
	vm_ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

void vtl_init(struct vtl *vtl, struct vm *vm)
{
	*vtl = (struct vtl) { .vm = vm };
	vm->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	if (vm_enable_cap(vm->fd, KVM_CAP_PLANE, KVM_PLANE_EXIT_HYPERCALL,
			  HV_VTL_CALL, HV_VTL_RETURN))
		fail("KVM_CAP_PLANE: %s", strerror(errno));
	watch_assist_pages(vm);
}

void vtl_carry_gprs_only(struct vtl *vtl)
{
	vtl->gprs_only = true;
	vtl->vm->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

/* Interrupts of a lower VTL wait for it to run. */
static void request_exits(struct vtl *vtl, int running)
{
	if (vtl->interrupts)
		planes(vtl)->req_exit_planes = -(2U << running);
}

void vtl_take_interrupts(struct vtl *vtl)
{
	vtl->interrupts = true;
	request_exits(vtl, planes(vtl)->plane);
}

int vtl_use_policy(struct vtl *vtl, int token)
{
	int err = vm_enable_cap(vtl->vm->fd, KVM_CAP_PLANE_SWITCH, token, 0, 0);

	/* From then on, in what it remembers of VTLs it cannot tell what KVM changed. */
	if (!err && token >= 0)
		vtl->kernel_switches = true;
	return err;
}

/* The assist page of a VTL in our memory, or NULL if the guest enabled none. */
static void *assist_page(struct vtl *vtl, int vtl_nr)
{
	__u64 value = vtl->assist_msr[vtl_nr];

	if (!(value & HV_ASSIST_ENABLE))
		return NULL;
	return (void *)(unsigned long)(value & HV_ASSIST_ADDRESS);
}

/* What the exit left in kvm_run, and the shared state that is not there. */
static void leave(struct vtl *vtl, int vtl_nr)
{
	struct kvm_sync_regs *sync = &vtl->vm->run->s.regs;
	struct vtl_state *state = &vtl->state[vtl_nr];
	int vcpu = vtl->vm->vcpu[vtl_nr];

	state->known = true;
	state->rsp = sync->regs.rsp;
	state->rip = sync->regs.rip;
	state->rflags = sync->regs.rflags;
	if (vtl->gprs_only)
		return;
	state->cr2 = sync->sregs.cr2;
	vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_GET_XCRS, &state->xcrs);
}

/* The same of a VTL that this did not see leave. */
static void get_state(struct vtl *vtl, int vtl_nr)
{
	struct vtl_state *state = &vtl->state[vtl_nr];
	int vcpu = vtl->vm->vcpu[vtl_nr];
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (state->known && !vtl->kernel_switches)
		return;

	vm_ioctl(vcpu, KVM_GET_REGS, &regs);
	vm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	vm_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	vm_ioctl(vcpu, KVM_GET_XCRS, &state->xcrs);
	state->known = true;
	state->rsp = regs.rsp;
	state->rip = regs.rip;
	state->rflags = regs.rflags;
	state->cr2 = sregs.cr2;
}

static void set_cr2(int vcpu, __u64 cr2)
{
	struct kvm_sregs sregs;

	vm_ioctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr2 = cr2;
	vm_ioctl(vcpu, KVM_SET_SREGS, &sregs);
}

/* KVM has no other XCR. */
static __u64 xcr0(const struct kvm_xcrs *xcrs)
{
	return xcrs->xcrs[0].value;
}

/* TLFS, "Shared state": general registers but RSP, CR2, DR0-3, XCR0; KVM shares the FPU. */
static void carry(struct vtl *vtl, int from, int to)
{
	const struct vtl_state *left = &vtl->state[from];
	struct vtl_state *entered = &vtl->state[to];
	struct kvm_run *run = vtl->vm->run;
	int vcpu = vtl->vm->vcpu[to];

	run->s.regs.regs.rsp = entered->rsp;
	run->s.regs.regs.rip = entered->rip;
	run->s.regs.regs.rflags = entered->rflags;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	if (vtl->gprs_only)
		return;

	if (entered->cr2 != left->cr2)
		set_cr2(vcpu, left->cr2);

	if (memcmp(entered->debugregs.db, left->debugregs.db, sizeof(left->debugregs.db))) {
		memcpy(entered->debugregs.db, left->debugregs.db, sizeof(left->debugregs.db));
		vm_ioctl(vcpu, KVM_SET_DEBUGREGS, &entered->debugregs);
	}

	if (xcr0(&entered->xcrs) != xcr0(&left->xcrs))
		vm_ioctl(vcpu, KVM_SET_XCRS, &left->xcrs);
}

static void switch_to(struct vtl *vtl, int to, __u16 suspended)
{
	int from = planes(vtl)->plane;

	leave(vtl, from);
	get_state(vtl, to);
	carry(vtl, from, to);
	planes(vtl)->plane = to;
	planes(vtl)->suspended_planes = suspended;
	request_exits(vtl, to);
	vtl->switches++;
}

static int next_higher(struct vtl *vtl)
{
	int to;

	for (to = planes(vtl)->plane + 1; to < KVM_MAX_PLANES; to++)
		if (vtl->vm->vcpu[to] >= 0)
			return to;
	return NO_VTL;
}

/* The highest one that is suspended; if that is none, the next lower. */
static int next_lower(struct vtl *vtl)
{
	int lower = NO_VTL;
	int to;

	for (to = planes(vtl)->plane - 1; to >= 0; to--) {
		if (vtl->vm->vcpu[to] < 0)
			continue;
		if (planes(vtl)->suspended_planes & 1U << to)
			return to;
		if (lower == NO_VTL)
			lower = to;
	}
	return lower;
}

/* TLFS, "VTL entry": the VTL that is left is suspended until the one entered returns. */
void vtl_enter(struct vtl *vtl, int to, __u32 reason)
{
	char *page = assist_page(vtl, to);

	if (page)
		*(__u32 *)(page + HV_ASSIST_ENTRY_REASON) = reason;
	switch_to(vtl, to, planes(vtl)->suspended_planes | 1U << planes(vtl)->plane);
}

static void vtl_call(struct vtl *vtl, __u64 input)
{
	int to = next_higher(vtl);

	if (input || to == NO_VTL)
		answer(vtl, KVM_PLANE_HYPERCALL_UD);
	else
		vtl_enter(vtl, to, HV_ENTRY_REASON_CALL);
}

/*
 * The highest VTL that has one. If that is not higher than the one that runs, this did not
 * ask for it, but a policy that could not access an assist page: have it brought in.
 */
static void handle_interrupt(struct vtl *vtl)
{
	__u16 pending = kvm_run_plane_event(vtl->vm->run)->pending_event_planes;
	volatile char *page;
	int to;

	for (to = KVM_MAX_PLANES - 1; to > planes(vtl)->plane; to--) {
		if (pending & 1U << to) {
			vtl_enter(vtl, to, HV_ENTRY_REASON_INTERRUPT);
			return;
		}
	}

	page = assist_page(vtl, planes(vtl)->plane);
	if (page)
		__atomic_fetch_or(page, 0, __ATOMIC_RELAXED);
}

/* TLFS, "VTL return": what is not a fast return loads RAX and RCX from the assist page. */
static void restore_regs(struct vtl *vtl, bool mode64)
{
	struct kvm_regs *regs = &vtl->vm->run->s.regs.regs;
	char *page = assist_page(vtl, planes(vtl)->plane);

	if (!page)
		return;
	page += HV_ASSIST_RETURN_REGS;
	if (mode64) {
		regs->rax = *(__u64 *)page;
		regs->rcx = *(__u64 *)(page + 8);
	} else {
		regs->rax = *(__u32 *)page;
		regs->rcx = *(__u32 *)(page + 4);
		regs->rdx = *(__u32 *)(page + 8);
	}
}

static void vtl_return(struct vtl *vtl, __u64 input, bool mode64)
{
	int to = next_lower(vtl);

	if (input & ~HV_VTL_RETURN_FAST || to == NO_VTL) {
		answer(vtl, KVM_PLANE_HYPERCALL_UD);
		return;
	}

	if (!(input & HV_VTL_RETURN_FAST))
		restore_regs(vtl, mode64);
	switch_to(vtl, to, planes(vtl)->suspended_planes & ~(1U << to));
}

/*
 * KVM looks for the number in RAX when the guest does not use Hyper-V's
 * interface. What is in RAX for a call or return of a 64-bit VTL is no such
 * number, so that this asks only when it matters.
 */
static bool uses_hyperv(struct vtl *vtl, __u64 rax)
{
	if (rax < HV_VTL_CALL || rax > HV_VTL_RETURN)
		return true;
	return vm_get_msr(vtl->vm, planes(vtl)->plane, HV_MSR_GUEST_OS_ID);
}

static void handle_hypercall(struct vtl *vtl)
{
	const struct kvm_sync_regs *sync = &vtl->vm->run->s.regs;
	bool mode64 = vtl->gprs_only || (sync->sregs.efer & EFER_LMA && sync->sregs.cs.l);
	__u64 control, input, code;

	if (mode64) {
		control = sync->regs.rcx;
		input = sync->regs.rax;
	} else {
		control = sync->regs.rdx << 32 | (__u32)sync->regs.rax;
		input = (__u32)sync->regs.rcx;
	}

	code = control & HV_CALL_CODE_MASK;
	if (!uses_hyperv(vtl, sync->regs.rax) || (code != HV_VTL_CALL && code != HV_VTL_RETURN))
		answer(vtl, KVM_PLANE_HYPERCALL_PASS);
	else if (control != code)
		answer(vtl, KVM_PLANE_HYPERCALL_UD);
	else if (code == HV_VTL_CALL)
		vtl_call(vtl, input);
	else
		vtl_return(vtl, input, mode64);
}

static void set_assist_page(struct vtl *vtl)
{
	struct kvm_run *run = vtl->vm->run;
	int vtl_nr = planes(vtl)->plane;

	/* What KVM does not accept is a #GP. */
	run->msr.error = !vm_set_msr(vtl->vm, vtl_nr, run->msr.index, run->msr.data);
	if (!run->msr.error)
		vtl->assist_msr[vtl_nr] = run->msr.data;
}

bool vtl_handle_exit(struct vtl *vtl)
{
	struct kvm_run *run = vtl->vm->run;

	if (run->exit_reason == KVM_EXIT_PLANE_EVENT) {
		if (kvm_run_plane_event(run)->cause == KVM_PLANE_EVENT_HYPERCALL)
			handle_hypercall(vtl);
		else
			handle_interrupt(vtl);
		return true;
	}
	if (run->exit_reason == KVM_EXIT_X86_WRMSR && run->msr.index == HV_MSR_VP_ASSIST_PAGE) {
		set_assist_page(vtl);
		return true;
	}
	return false;
}
