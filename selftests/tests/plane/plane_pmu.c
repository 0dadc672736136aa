// SPDX-License-Identifier: GPL-2.0
/*
 * Performance counters: those of a VM with planes do not count, as they would not tell one plane
 * from another.
 */
#include <sys/ioctl.h>

#include "test.h"

/* AMD: PerfEvtSel0 and PerfCtr0; Intel: IA32_PERFEVTSEL0, IA32_PMC0 and IA32_PERF_GLOBAL_CTRL */
#define MSR_K7_EVNTSEL0		0xc0010000
#define MSR_K7_PERFCTR0		0xc0010004
#define MSR_P6_EVNTSEL0		0x186
#define MSR_P6_PERFCTR0		0xc1
#define MSR_GLOBAL_CTRL		0x38f

/* Retired instructions, of user and kernel, enabled */
#define EVENT			(0xc0 | 1 << 16 | 1 << 17 | 1 << 22)
#define INSTRUCTIONS		1000

static bool intel;

static void count(void)
{
	__u32 counter = intel ? MSR_P6_PERFCTR0 : MSR_K7_PERFCTR0;
	__u64 before;
	int i;

	wrmsr(intel ? MSR_P6_EVNTSEL0 : MSR_K7_EVNTSEL0, EVENT);
	if (intel)
		wrmsr(MSR_GLOBAL_CTRL, 1);
	for (;;) {
		before = rdmsr(counter);
		/* KVM counts what it emulates itself. */
		for (i = 0; i < INSTRUCTIONS; i++)
			asm volatile("cpuid" : : "a"(0) : "ebx", "ecx", "edx");
		guest_sync(rdmsr(counter) - before);
	}
}

static __u64 counted(struct vm *vm, int plane)
{
	struct guest_call *call;

	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	call = vm_guest_call(vm);
	ASSERT(call);
	note("plane %d counted %llu", plane, call->arg[0]);
	return call->arg[0];
}

static void stopped(enum test_how how)
{
	struct vm *vm;

	if (ioctl(vmm_open_kvm(), KVM_CHECK_EXTENSION, KVM_CAP_PMU_CAPABILITY) <= 0)
		skip("no performance counters");
	vm = vm_create(1);
	intel = vm_cpuid(vm, 0, 0)->ebx == 0x756e6547;	/* "Genu", of "GenuineIntel" */
	if (intel && (vm_cpuid(vm, 0xa, 0)->eax & 0xff) < 2)
		skip("no version 2 of performance monitoring");
	vm_start(vm, 0, count);
	ASSERT(counted(vm, 0) >= INSTRUCTIONS);

	/* In the middle of it */
	vm_add_plane(vm, 1);
	vm_start(vm, 1, count);
	counted(vm, 0);
	ASSERT_EQ(counted(vm, 0), 0);
	ASSERT_EQ(counted(vm, 1), 0);
	ASSERT_EQ(counted(vm, 0), 0);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("performance counters stop when a VM gets a second plane, and do not count in any",
	     stopped),
	{ }
};
