// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that makes VTL calls which the VTL policy cannot carry out: to a VTL that its vCPU does
 * not have, or with a VP assist page that is not there. It gets an exception, or userspace
 * decides; the guest harms nobody but itself.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "test.h"
#include "vtl_guest.h"
#include "vtl_test.h"

#define ASSIST_GPA	0x50000000ULL
#define ASSIST_SLOT	3
#define HOLE_GPA	0x60000000ULL
#define RETURN_RAX	0x1111222233334444ULL

static struct vm *vm;
static struct policy policy;
static __u64 *page;

static volatile __u64 return_input = HV_VTL_RETURN_FAST;
static volatile __u64 wrong_assist;
static struct guest_regs out0;

static __u8 wrmsr_ret[] = { 0x0f, 0x30, 0xc3 };

/* A VTL call each time, and what came of it */
static void vtl0(void)
{
	struct guest_regs in = vtl_hypercall_regs(HV_VTL_CALL, 0);
	struct guest_fault *fault = &guest_faults[0];
	__u32 count = 0;

	vtl_enable();
	fault->expected = true;
	for (;;) {
		guest_run(&in, &out0);
		guest_sync(fault->count - count);
		count = fault->count;
	}
}

static void vtl1(void)
{
	vtl_enable();
	wrmsr(HV_MSR_VP_ASSIST_PAGE, ASSIST_GPA | HV_MSR_ENABLE);
	for (;;)
		vtl_return(return_input);
}

/* KVM refuses an assist page that it cannot write to. */
static void set_wrong_page(void)
{
	struct guest_fault *fault = &guest_faults[0];
	struct guest_regs in = {
		.gpr[RAX] = (__u32)wrong_assist | HV_MSR_ENABLE,
		.gpr[RDX] = wrong_assist >> 32,
		.gpr[RCX] = HV_MSR_VP_ASSIST_PAGE,
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)wrmsr_ret,
	}, out;

	vtl_enable();
	fault->expected = true;
	for (;;) {
		in.gpr[RAX] = (__u32)wrong_assist | HV_MSR_ENABLE;
		in.gpr[RDX] = wrong_assist >> 32;
		guest_run(&in, &out);
		guest_sync(fault->count);
	}
}

static void set_slot(__u64 size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = ASSIST_SLOT,
		.flags = flags,
		.guest_phys_addr = ASSIST_GPA,
		.memory_size = size,
		.userspace_addr = (unsigned long)page,
	};

	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void map_page(void *at)
{
	page = mmap(at, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
	ASSERT(page != MAP_FAILED);
	page[HV_ASSIST_RETURN_RAX / 8] = RETURN_RAX;
}

static void start(int nr_vtls)
{
	vm = vm_create(nr_vtls);
	vm_start(vm, 0, vtl0);
	if (nr_vtls > 1)
		vm_start(vm, 1, vtl1);
	vtl_policy_load(&policy);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
}

static void end(void)
{
	struct policy_status status;

	ASSERT(policy_read_status(vm, &status));
	ASSERT(!strcmp(status.policy, "vtl"));
	ASSERT_EQ(status.eject_kind, 0);
	vm_free(vm);
	policy_unload(&policy);
}

/* Returns the number of exceptions since the last sync. */
static __u64 run(void)
{
	struct guest_call *call;

	vm_run(vm);
	call = vm_guest_call(vm);
	if (!call)
		fail("%s of plane %u", vm_exit_name(vm->run->exit_reason),
		     kvm_run_planes(vm->run)->plane);
	ASSERT_EQ(call->plane, 0);
	ASSERT_EQ(kvm_run_planes(vm->run)->suspended_planes, 0);
	return call->arg[0];
}

static void expect_ud(void)
{
	ASSERT_EQ(run(), 1);
	ASSERT_EQ(guest_faults[0].vector, X86_UD);
	ASSERT_EQ(guest_faults[0].rip, (unsigned long)guest_hypercall_insn);
	ASSERT_EQ(out0.gpr[RCX], HV_VTL_CALL);
	ASSERT_EQ(out0.gpr[RAX], 0);
}

static void no_such_vtl(enum test_how how)
{
	start(1);
	/* The VM has it, the vCPU does not. */
	vm->plane[1] = vm_ioctl(vm->fd, KVM_CREATE_PLANE, 1);
	expect_ud();
	expect_ud();
	vm->vcpu[1] = vm_ioctl(vm->plane[1], KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
	vm_start(vm, 1, vtl_return_forever);
	ASSERT_EQ(run(), 0);
	end();
}

static void wrong_page(enum test_how how)
{
	start(2);
	map_page(NULL);
	set_slot(4096, KVM_MEM_READONLY);
	vm_start(vm, 0, set_wrong_page);
	wrong_assist = HOLE_GPA;
	ASSERT_EQ(run(), 1);
	wrong_assist = 0xfffffffffffff000ULL;
	ASSERT_EQ(run(), 2);
	wrong_assist = ASSIST_GPA;
	ASSERT_EQ(run(), 3);
	ASSERT_EQ(guest_faults[0].vector, X86_GP);
	ASSERT_EQ(page[HV_ASSIST_RETURN_RAX / 8], RETURN_RAX);
	end();
}

/* Userspace is asked to see to the hypercall of @plane, of which nothing has been done. */
static void expect_exit(int plane, __u64 control)
{
	const struct kvm_plane_event *event = kvm_run_plane_event(vm->run);
	struct kvm_regs regs;

	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, KVM_PLANE_EVENT_HYPERCALL);
	ASSERT_EQ(event->extra, (unsigned long)guest_hypercall_insn);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	ASSERT_EQ(kvm_run_planes(vm->run)->suspended_planes, plane ? 1 : 0);
	vm_ioctl(vm->vcpu[plane], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, (unsigned long)guest_hypercall_insn + 3);
	ASSERT_EQ(regs.rcx, control);
	ASSERT_EQ(regs.rax, 0);
}

/* Back to the instruction: the page is there again. */
static void try_again(int plane)
{
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[plane], KVM_GET_REGS, &regs);
	regs.rip = (unsigned long)guest_hypercall_insn;
	vm_ioctl(vm->vcpu[plane], KVM_SET_REGS, &regs);
}

/* A call that needs the page, and a return that does, while it is not there */
static void page_gone(void (*take)(void), void (*give)(void), bool readable)
{
	start(2);
	map_page(NULL);
	set_slot(4096, 0);
	ASSERT_EQ(run(), 0);
	ASSERT_EQ(run(), 0);

	take();
	expect_exit(0, HV_VTL_CALL);
	kvm_run_plane_event(vm->run)->flags = KVM_PLANE_HYPERCALL_UD;
	expect_ud();
	expect_exit(0, HV_VTL_CALL);
	give();
	try_again(0);
	ASSERT_EQ(run(), 0);
	ASSERT_EQ(*(__u32 *)((char *)page + HV_ASSIST_ENTRY_REASON), HV_ENTRY_REASON_CALL);

	/* VTL 1 is on its way out: its next return is the first that is no fast one. */
	return_input = 0;
	ASSERT_EQ(run(), 0);
	page[HV_ASSIST_RETURN_RAX / 8] = RETURN_RAX;
	ASSERT_EQ(run(), 0);
	ASSERT_EQ(out0.gpr[RAX], RETURN_RAX);
	if (!readable) {
		/* What VTL 0 writes, it has to find. */
		take();
		expect_exit(0, HV_VTL_CALL);
		give();
		try_again(0);
		ASSERT_EQ(run(), 0);
	}
	end();
}

static void remove_slot(void)
{
	set_slot(0, 0);
}

static void restore_slot(void)
{
	set_slot(4096, 0);
}

static void make_read_only(void)
{
	set_slot(0, 0);
	set_slot(4096, KVM_MEM_READONLY);
}

static void make_writable(void)
{
	set_slot(0, 0);
	set_slot(4096, 0);
}

static void unmap(void)
{
	ASSERT_EQ(munmap(page, 4096), 0);
}

static void remap(void)
{
	map_page(page);
}

static void protect(void)
{
	ASSERT_EQ(mprotect(page, 4096, PROT_NONE), 0);
}

static void unprotect(void)
{
	ASSERT_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE), 0);
	page[1] = page[1];
}

static void slot_removed(enum test_how how)
{
	page_gone(remove_slot, restore_slot, false);
}

static void slot_read_only(enum test_how how)
{
	page_gone(make_read_only, make_writable, true);
}

static void unmapped(enum test_how how)
{
	page_gone(unmap, remap, false);
}

static void protected(enum test_how how)
{
	page_gone(protect, unprotect, false);
}

const struct test tests[] = {
	TEST("a VTL call to a VTL that the vCPU does not have raises #UD", no_such_vtl),
	TEST("an assist page outside of memory, or in read-only memory, raises #GP", wrong_page),
	TEST("userspace decides when the assist page's memory slot has gone", slot_removed),
	TEST("userspace decides when the assist page is read-only", slot_read_only),
	TEST("userspace decides when the assist page is not mapped", unmapped),
	TEST("userspace decides when the assist page is protected", protected),
	{ }
};
