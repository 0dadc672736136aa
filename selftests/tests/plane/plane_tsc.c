// SPDX-License-Identifier: GPL-2.0
/*
 * The TSC of planes: its frequency is that of the vCPU; its value is each plane's own
 * once a plane has been given one, and plane 0's until then.
 */
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "test.h"

/* Since Linux 5.16 */
#ifndef KVM_VCPU_TSC_CTRL
#define KVM_VCPU_TSC_CTRL	0
#define KVM_VCPU_TSC_OFFSET	0
#endif

#define MSR_TSC		0x10
#define MSR_TSC_ADJUST	0x3b
#define FAR		(1ULL << 50)
#define NR_PLANES	3

static __u64 offset(struct vm *vm, int plane)
{
	__u64 value;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)&value,
	};

	vm_ioctl(vm->vcpu[plane], KVM_HAS_DEVICE_ATTR, &attr);
	vm_ioctl(vm->vcpu[plane], KVM_GET_DEVICE_ATTR, &attr);
	return value;
}

static void set_offset(struct vm *vm, int plane, __u64 value)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (unsigned long)&value,
	};

	vm_ioctl(vm->vcpu[plane], KVM_SET_DEVICE_ATTR, &attr);
}

/* What the guest reads; and writes before, if told so. */
static volatile __u64 tsc;
static volatile __u32 write_msr;
static volatile __u64 write_value;

static void read_forever(void)
{
	for (;;) {
		if (write_msr)
			wrmsr(write_msr, write_value);
		tsc = read_tsc();
		guest_sync(0);
	}
}

static __u64 read_in(struct vm *vm, int plane)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	write_msr = 0;
	return tsc;
}

static struct vm *start(void)
{
	struct vm *vm = vm_create(NR_PLANES);
	int p;

	for (p = 0; p < NR_PLANES; p++)
		vm_start(vm, p, read_forever);
	read_in(vm, 0);
	/* KVM sets each vCPU's offset anew when it is loaded. */
	if (!vm_has_master_clock(vm))
		skip("the TSC of this machine is not stable");
	return vm;
}

static __u64 write_in(struct vm *vm, int plane, __u32 msr, __u64 value)
{
	write_value = value;
	write_msr = msr;
	return read_in(vm, plane);
}

/* Planes take turns reading, and the time never goes back. */
static void one_time(struct vm *vm)
{
	__u64 last = 0, now;
	int i;

	for (i = 0; i < 3 * NR_PLANES; i++) {
		now = read_in(vm, i % NR_PLANES);
		ASSERT(now > last);
		if (last)
			ASSERT(now - last < FAR / 2);
		last = now;
	}
}

static void follow(enum test_how how)
{
	struct vm *vm = start();
	__u64 old = offset(vm, 0);
	int p;

	one_time(vm);
	set_offset(vm, 0, old + FAR);
	for (p = 0; p < NR_PLANES; p++)
		ASSERT_EQ(offset(vm, p), old + FAR);
	one_time(vm);
	ASSERT(read_in(vm, 1) > FAR);

	vm_set_msr(vm, 0, MSR_TSC, 3 * FAR);
	for (p = 1; p < NR_PLANES; p++)
		ASSERT_EQ(offset(vm, p), offset(vm, 0));
	one_time(vm);
	ASSERT(read_in(vm, 1) > 3 * FAR);
	vm_free(vm);
}

/* Whoever gave it, and whatever is set before or after. */
static void own(enum test_how how)
{
	struct vm *vm = start();
	__u64 base = offset(vm, 0);

	set_offset(vm, 1, base + FAR);
	ASSERT_EQ(offset(vm, 0), base);
	ASSERT_EQ(offset(vm, 2), base);
	set_offset(vm, 0, base + 2 * FAR);
	ASSERT_EQ(offset(vm, 1), base + FAR);
	ASSERT_EQ(offset(vm, 2), base + 2 * FAR);

	/* Even if that is what it has anyway */
	set_offset(vm, 2, base + 2 * FAR);
	set_offset(vm, 0, base);
	ASSERT_EQ(offset(vm, 1), base + FAR);
	ASSERT_EQ(offset(vm, 2), base + 2 * FAR);
	vm_free(vm);
}

static void by_guest(enum test_how how)
{
	static const __u32 msrs[] = { MSR_TSC, MSR_TSC_ADJUST };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vm *vm = start();
		__u64 base = offset(vm, 0);

		if (msrs[i] == MSR_TSC_ADJUST && !(vm_cpuid(vm, 7, 0)->ebx & 2)) {
			vm_free(vm);
			continue;
		}
		note("MSR %#x", msrs[i]);
		ASSERT(write_in(vm, 1, msrs[i], FAR) >= FAR);
		ASSERT_EQ(offset(vm, 0), base);
		ASSERT_EQ(offset(vm, 2), base);
		ASSERT(read_in(vm, 0) < FAR / 2);

		/* Plane 0's is as private: nobody follows what its guest writes, then or later. */
		write_in(vm, 0, msrs[i], 2 * FAR);
		ASSERT(read_in(vm, 0) >= 2 * FAR);
		ASSERT_EQ(offset(vm, 2), base);
		set_offset(vm, 0, base + 3 * FAR);
		ASSERT_EQ(offset(vm, 2), base);
		ASSERT(read_in(vm, 2) < FAR / 2);
		vm_free(vm);
	}
}

/* As KVM does with the TSCs of vCPUs that are set to about the same, and when that was stops */
static void restored(enum test_how how)
{
	static const int order[][NR_PLANES] = {
		{ 0, 1, 2 }, { 1, 0, 2 }, { 2, 1, 0 }, { 1, 2, 0 },
	};
	unsigned int i;
	int p;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct vm *vm = start();

		note("order %d, %d, %d", order[i][0], order[i][1], order[i][2]);
		for (p = 0; p < NR_PLANES; p++)
			vm_set_msr(vm, order[i][p], MSR_TSC, FAR + 1000 * order[i][p]);
		for (p = 1; p < NR_PLANES; p++)
			ASSERT_EQ(offset(vm, p), offset(vm, 0));
		one_time(vm);
		vm_free(vm);
	}
}

static void frequency(enum test_how how)
{
	struct vm *vm = start();
	__u32 khz = vm_ioctl(vm->vcpu[0], KVM_GET_TSC_KHZ, 0);
	int set, p;

	/* So little that no CPU has to do anything for it */
	for (set = 0; set < NR_PLANES; set++) {
		vm_ioctl(vm->vcpu[set], KVM_SET_TSC_KHZ, khz + 1 + set);
		for (p = 0; p < NR_PLANES; p++) {
			ASSERT_EQ(vm_ioctl(vm->vcpu[p], KVM_GET_TSC_KHZ, 0), khz + 1 + set);
			ASSERT_EQ(offset(vm, p), offset(vm, 0));
		}
	}
	one_time(vm);

	/* The value stays a plane's own. */
	set_offset(vm, 1, offset(vm, 0) + FAR);
	vm_ioctl(vm->vcpu[0], KVM_SET_TSC_KHZ, khz);
	ASSERT_EQ(vm_ioctl(vm->vcpu[1], KVM_GET_TSC_KHZ, 0), khz);
	ASSERT_EQ(offset(vm, 1), offset(vm, 0) + FAR);
	ASSERT_EQ(offset(vm, 2), offset(vm, 0));
	vm_free(vm);
}

const struct test tests[] = {
	TEST("the TSC of a plane follows what userspace sets plane 0's to", follow),
	TEST("a TSC that userspace gives a plane is kept, in whichever order planes are set", own),
	TEST("the TSC that a guest writes is the TSC of its plane and of no other", by_guest),
	TEST("planes restored to about the same TSC have the same, in whichever order", restored),
	TEST("the frequency of the TSC is that of all planes, whichever it is set for", frequency),
	{ }
};
