// SPDX-License-Identifier: GPL-2.0
/*
 * Which of Hyper-V's synthetic MSRs are private to a plane, and that none of them, and
 * nothing that they stand for, can be reached from another one.
 */
#include <sys/ioctl.h>

#include "vtl_guest.h"
#include "vtl_test.h"

/* TLFS, appendix "Synthetic MSRs" */
#define HV_MSR_VP_INDEX		0x40000002
#define HV_MSR_VP_RUNTIME	0x40000010
#define HV_MSR_TIME_REF_COUNT	0x40000020
#define HV_MSR_REFERENCE_TSC	0x40000021
#define HV_MSR_TSC_FREQUENCY	0x40000022
#define HV_MSR_SYNDBG_CONTROL	0x400000f1
#define HV_MSR_SYNDBG_STATUS	0x400000f2
#define HV_MSR_SYNDBG_SEND	0x400000f3
#define HV_MSR_SYNDBG_RECEIVE	0x400000f4
#define HV_MSR_SYNDBG_PENDING	0x400000f5
#define HV_MSR_DEBUG_OPTIONS	0x400000ff
#define HV_MSR_CRASH_P0		0x40000100
#define HV_MSR_CRASH_P4		0x40000104
#define HV_MSR_CRASH_CTL	0x40000105
#define HV_MSR_REENLIGHTENMENT	0x40000106
#define HV_MSR_TSC_EMU_CONTROL	0x40000107
#define HV_MSR_TSC_EMU_STATUS	0x40000108
#define HV_MSR_INVARIANT_TSC	0x40000118

#define MSR_TSC			0x10
#define SECOND			10000000ULL	/* of 100 ns */

/* VTL 0 of the first vCPU */
static void call_once(void)
{
	vtl_enable();
	vtl_call();
	guest_done();
}

/* VTL 1 */
static void sync_and_return(void)
{
	vtl_enable();
	guest_sync(0);
	vtl_return(HV_VTL_RETURN_FAST);
	guest_abort("still in VTL 1", rdmsr(HV_MSR_GUEST_OS_ID), rdmsr(HV_MSR_HYPERCALL));
}

/* VTL 0 of the second vCPU */
static void turn_off(void)
{
	wrmsr(HV_MSR_GUEST_OS_ID, 0);
	GUEST_ASSERT_EQ(rdmsr(HV_MSR_HYPERCALL) & HV_MSR_ENABLE, 0);
	guest_done();
}

static void taken_away(enum test_how how)
{
	const guest_code_t entry[] = { call_once, sync_and_return };
	const struct guest_call *call;
	struct vtl_test t;
	struct kvm_regs regs;
	struct vm *other;

	vtl_test_start(&t, how, 2, entry);
	call = vtl_test_run(&t);
	ASSERT_EQ(call->cmd, GUEST_SYNC);
	ASSERT_EQ(call->plane, 1);

	/* The stack of VTL 0 is in use. */
	other = vm_add_vcpu(t.vm, 1);
	vm_start(other, 0, turn_off);
	vm_ioctl(other->vcpu[0], KVM_GET_REGS, &regs);
	regs.rsp -= GUEST_STACK_SIZE / 2;
	vm_ioctl(other->vcpu[0], KVM_SET_REGS, &regs);
	vm_run(other);
	ASSERT_EQ(vm_guest_call(other)->cmd, GUEST_DONE);

	call = vtl_test_run(&t);
	ASSERT_EQ(call->cmd, GUEST_DONE);
	ASSERT_EQ(call->plane, 0);
	vtl_test_end(&t);
}

enum scope { PRIVATE, SHARED };

/* TLFS, "Private state" and "Shared state" of a VTL; what is in neither list is private. */
static const struct {
	__u32 msr;
	enum scope scope;
	__u64 base;
	__u64 step;	/* One plane gets base, the other one base + step. */
} msrs[] = {
	{ HV_MSR_GUEST_OS_ID, PRIVATE, 1, 1 },
	{ HV_MSR_HYPERCALL, PRIVATE, 0x10000, 0x1000 },
	{ HV_MSR_REFERENCE_TSC, PRIVATE, 0x10000, 0x1000 },
	{ HV_MSR_VP_ASSIST_PAGE, PRIVATE, 0x10000, 0x1000 },
	{ HV_MSR_CRASH_P0, PRIVATE, 0x100, 1 },
	{ HV_MSR_CRASH_P4, PRIVATE, 0x200, 1 },
	{ HV_MSR_CRASH_CTL, PRIVATE, 1ULL << 63, 1ULL << 63 },
	{ HV_MSR_REENLIGHTENMENT, PRIVATE, 0x20, 1 },
	{ HV_MSR_TSC_EMU_CONTROL, PRIVATE, 1, 1 },
	{ HV_MSR_TSC_EMU_STATUS, PRIVATE, 1, 1 },
	{ HV_MSR_INVARIANT_TSC, PRIVATE, 1, -1 },
	{ HV_MSR_SYNDBG_CONTROL, PRIVATE, 0x11, 1 },
	{ HV_MSR_SYNDBG_STATUS, PRIVATE, 0x12, 1 },
	{ HV_MSR_SYNDBG_SEND, PRIVATE, 0x10000, 0x1000 },
	{ HV_MSR_SYNDBG_RECEIVE, PRIVATE, 0x20000, 0x1000 },
	{ HV_MSR_SYNDBG_PENDING, PRIVATE, 0x30000, 0x1000 },
	{ HV_MSR_DEBUG_OPTIONS, SHARED, 1, 1 },
	{ HV_MSR_VP_INDEX, SHARED, 5, 1 },
};

#define NR_MSRS	(sizeof(msrs) / sizeof(msrs[0]))

static void scopes(enum test_how how)
{
	struct vm *vm = vm_create(2);
	__u64 value[2];
	unsigned int i;
	int first, p;

	for (i = 0; i < NR_MSRS; i++) {
		/* Whichever plane is set last */
		for (first = 0; first < 2; first++) {
			note("MSR %#x", msrs[i].msr);
			for (p = 0; p < 2; p++)
				value[p] = msrs[i].base + (p ^ first) * msrs[i].step;
			for (p = 0; p < 2; p++)
				ASSERT(vm_set_msr(vm, p ^ first, msrs[i].msr, value[p ^ first]));
			if (msrs[i].scope == SHARED)
				value[first] = value[!first];
			for (p = 0; p < 2; p++)
				ASSERT_EQ(vm_get_msr(vm, p, msrs[i].msr), value[p]);
		}
	}
	ASSERT_EQ(vm_get_msr(vm, 0, HV_MSR_TSC_FREQUENCY), vm_get_msr(vm, 1, HV_MSR_TSC_FREQUENCY));
	vm_free(vm);
}

static void runtime(enum test_how how)
{
	const __u64 hour = 3600 * SECOND;
	struct vm *vm = vm_create(3);
	int p;

	ASSERT(vm_set_msr(vm, 1, HV_MSR_VP_RUNTIME, hour));
	for (p = 0; p < 3; p++) {
		ASSERT(vm_get_msr(vm, p, HV_MSR_VP_RUNTIME) >= hour);
		ASSERT(vm_get_msr(vm, p, HV_MSR_VP_RUNTIME) < hour + 60 * SECOND);
	}
	vm_free(vm);
}

/* Bits 127:64 of the product */
static __u64 multiply_high(__u64 a, __u64 b)
{
	__u64 high;

	asm("mulq %2" : "=d" (high), "+a" (a) : "rm" (b) : "cc");
	return high;
}

/* TLFS, HV_REFERENCE_TSC_PAGE */
struct tsc_page {
	volatile __u32 sequence;
	__u32 reserved;
	volatile __u64 scale;
	volatile __s64 offset;
	__u64 rest[509];
};

static struct tsc_page tsc_pages[3] __attribute__((aligned(4096)));
static volatile bool set_page, compare;

/* The reference time by the page, which has to be good. */
static __u64 page_time(const struct tsc_page *page)
{
	__u32 sequence;
	__u64 time;

	do {
		sequence = page->sequence;
		GUEST_ASSERT(sequence);
		time = multiply_high(read_tsc(), page->scale) + page->offset;
	} while (sequence != page->sequence);
	return time;
}

/* TLFS: the page and the MSR tell the same time; a tick more or less may be rounding. */
static void compare_times(void)
{
	const struct tsc_page *page = &tsc_pages[guest_plane()];
	__u64 before, time, after;
	int i;

	wrmsr(HV_MSR_GUEST_OS_ID, 1);
	for (;;) {
		if (set_page)
			wrmsr(HV_MSR_REFERENCE_TSC, (unsigned long)page | HV_MSR_ENABLE);
		for (i = 0; compare && i < 100; i++) {
			before = rdmsr(HV_MSR_TIME_REF_COUNT);
			time = page_time(page);
			after = rdmsr(HV_MSR_TIME_REF_COUNT);
			if (time + 1 < before || time > after + 1)
				guest_abort("the page tells another time", time, before);
		}
		guest_sync(0);
	}
}

static void run_plane(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
}

static void set_clock(struct vm *vm)
{
	struct kvm_clock_data clock = { };

	vm_ioctl(vm->fd, KVM_GET_CLOCK, &clock);
	clock.flags = 0;
	clock.clock += 5000000000ULL;
	vm_ioctl(vm->fd, KVM_SET_CLOCK, &clock);
}

static void tsc_pages_filled(enum test_how how)
{
	struct vm *vm = vm_create(3);
	int p, round;

	for (p = 0; p < 3; p++)
		vm_start(vm, p, compare_times);
	run_plane(vm, 0);
	/* Without it no page is ever good, as on stock KVM. */
	if (!vm_has_master_clock(vm))
		skip("the TSC of this machine is not stable");
	set_page = true;
	compare = true;
	for (p = 0; p < 3; p++)
		run_plane(vm, p);

	/* All of them, not the last one alone; and a plane with another TSC by that one. */
	set_page = false;
	for (round = 0; round < 3; round++) {
		for (p = 0; p < 3; p++)
			run_plane(vm, p);
		if (round == 0)
			set_clock(vm);
		else
			vm_set_msr(vm, 1, MSR_TSC, vm_get_msr(vm, 1, MSR_TSC) + (1ULL << 40));
	}
	vm_free(vm);
}

const struct test tests[] = {
	TEST_BOTH("a VTL that turns its hypercalls off leaves another VTL's return alone",
		  taken_away),
	TEST("Hyper-V's MSRs are private to a plane, but for those that a virtual processor has",
	     scopes),
	TEST("the runtime of a virtual processor is that of all its planes", runtime),
	TEST("each plane's reference TSC page is filled, and tells the time of its MSR",
	     tsc_pages_filled),
	{ }
};
