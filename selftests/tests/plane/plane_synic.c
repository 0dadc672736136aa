// SPDX-License-Identifier: GPL-2.0
/*
 * Capabilities of a plane's vCPU: a VTL can have a SynIC of its own, whose timer
 * expires also while another VTL runs (TLFS, "Virtual interrupt controller").
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"

#define HV_MSR_TIME_REF_COUNT	0x40000020
#define HV_MSR_SCONTROL		0x40000080
#define HV_MSR_SIEFP		0x40000082
#define HV_MSR_SIMP		0x40000083
#define HV_MSR_SINT2		0x40000092
#define HV_MSR_STIMER0_CONFIG	0x400000b0
#define HV_MSR_STIMER0_COUNT	0x400000b1
#define HV_ENABLE		1ULL
#define HV_STIMER_SINT2		(2ULL << 16)
#define HV_MESSAGE_TIMER	0x80000010
#define HV_MESSAGE_SIZE		256

#define MSR_KVM_SYSTEM_TIME_NEW	0x4b564d01

#define VECTOR		0x70
#define MS		10000ULL	/* of the reference time */

static __u32 messages[2][1024] __attribute__((aligned(4096)));
static __u32 events[2][1024] __attribute__((aligned(4096)));
static volatile __u64 taken[2];
static __u64 clock_page[64] __attribute__((aligned(64)));
static const __u8 wrmsr_insn[] = { 0x0f, 0x30, 0xc3 };	/* WRMSR; RET */

__attribute__((interrupt)) static void take(void *frame)
{
	taken[guest_plane()]++;
	wrmsr(MSR_X2APIC_EOI, 0);
}

static void use_synic(void)
{
	__u32 plane = guest_plane();

	asm volatile("sti");
	wrmsr(HV_MSR_SCONTROL, HV_ENABLE);
	wrmsr(HV_MSR_SIMP, (unsigned long)messages[plane] | HV_ENABLE);
	wrmsr(HV_MSR_SIEFP, (unsigned long)events[plane] | HV_ENABLE);
	wrmsr(HV_MSR_SINT2, VECTOR);
	guest_sync(0);
	if (plane) {
		wrmsr(HV_MSR_STIMER0_CONFIG, HV_ENABLE | HV_STIMER_SINT2);
		wrmsr(HV_MSR_STIMER0_COUNT, rdmsr(HV_MSR_TIME_REF_COUNT) + 50 * MS);
	}
	for (;;)
		guest_sync(0);
}

static void enable(int vcpu, __u32 cap, __u64 arg)
{
	if (vm_enable_cap(vcpu, cap, arg, 0, 0))
		fail("KVM_ENABLE_CAP of %u: %s", cap, strerror(errno));
}

/* Userspace is told of the pages. */
static void run_to_sync(struct vm *vm, __u8 plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	while (vm_run(vm) == KVM_EXIT_HYPERV)
		ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	ASSERT(vm_guest_call(vm));
}

static void synic(enum test_how how)
{
	struct vm *vm = vm_create(2);
	__u32 *message = &messages[1][2 * HV_MESSAGE_SIZE / 4];
	int plane;

	for (plane = 0; plane < 2; plane++) {
		enable(vm->vcpu[plane], KVM_CAP_HYPERV_SYNIC2, 0);
		vm_start(vm, plane, use_synic);
		vm_set_vector(plane, VECTOR, take);
		lapic_enable_x2apic(vm->vcpu[plane]);
		run_to_sync(vm, plane);
	}
	run_to_sync(vm, 1);

	kvm_run_planes(vm->run)->plane = 0;
	kvm_run_planes(vm->run)->req_exit_planes = 1U << 1;
	do {
		vm_run(vm);
	} while (vm->run->exit_reason != KVM_EXIT_PLANE_EVENT && vm_guest_call(vm));
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(message[0], HV_MESSAGE_TIMER);
	ASSERT_EQ(messages[0][2 * HV_MESSAGE_SIZE / 4], 0);
	ASSERT(lapic_in_irr(vm->vcpu[1], VECTOR));
	ASSERT(!lapic_in_irr(vm->vcpu[0], VECTOR));

	run_to_sync(vm, 1);
	run_to_sync(vm, 1);
	ASSERT_EQ(taken[1], 1);
	ASSERT_EQ(taken[0], 0);
	vm_free(vm);
}

static __u64 msr, value;

/* Says whether there was an exception. */
static void write_msr(void)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];
	struct guest_regs regs = { .rflags = X86_RFLAGS_FIXED }, out;

	fault->expected = true;
	for (;;) {
		regs.cs = GUEST_CS;
		regs.ss = GUEST_DS;
		regs.rip = (unsigned long)wrmsr_insn;
		regs.gpr[RCX] = msr;
		regs.gpr[RAX] = (__u32)value;
		regs.gpr[RDX] = value >> 32;
		fault->count = 0;
		guest_run(&regs, &out);
		guest_sync(fault->count);
	}
}

static bool refused(struct vm *vm, __u8 plane, __u32 m, __u64 v)
{
	msr = m;
	value = v;
	run_to_sync(vm, plane);
	return vm_guest_call(vm)->arg[0];
}

static void not_enabled(enum test_how how)
{
	struct vm *vm = vm_create(2);
	int i;

	enable(vm->vcpu[0], KVM_CAP_HYPERV_SYNIC2, 0);
	for (i = 0; i < 2; i++)
		vm_start(vm, i, write_msr);
	ASSERT(!refused(vm, 0, HV_MSR_SCONTROL, HV_ENABLE));
	ASSERT(refused(vm, 1, HV_MSR_SCONTROL, HV_ENABLE));
	enable(vm->vcpu[1], KVM_CAP_HYPERV_SYNIC2, 0);
	ASSERT(!refused(vm, 1, HV_MSR_SCONTROL, HV_ENABLE));
	vm_free(vm);
}

/* CPUID of this VM has leaves of Hyper-V, and so offers no kvmclock. */
static void enforced(enum test_how how)
{
	__u64 clock = (unsigned long)clock_page | 1;
	struct vm *vm = vm_create(1);
	int i;

	enable(vm->vcpu[0], KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1);
	vm_add_plane(vm, 1);
	for (i = 0; i < 2; i++) {
		vm_start(vm, i, write_msr);
		ASSERT(refused(vm, i, MSR_KVM_SYSTEM_TIME_NEW, clock));
	}
	enable(vm->vcpu[1], KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0);
	ASSERT(!refused(vm, 1, MSR_KVM_SYSTEM_TIME_NEW, clock));
	ASSERT(refused(vm, 0, MSR_KVM_SYSTEM_TIME_NEW, clock));
	vm_free(vm);
}

const struct test tests[] = {
	TEST("a SynIC timer of a plane interrupts that plane, and its message is in its own page",
	     synic),
	TEST("a plane has a SynIC if it was enabled on its own vCPU", not_enabled),
	TEST("a new plane may use what CPUID does not offer if plane 0 may", enforced),
	{ }
};
