// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_RUN runs the plane that kvm_run asks for; each error by name, and it
 * changes nothing.
 */
#include <sys/ioctl.h>

#include "test.h"
#include "vtl_guest.h"

#define PORT_IN		0x910
#define MMIO_GPA	0x80000000UL

static void sync_forever(void)
{
	__u64 i;

	for (i = 0;; i++)
		guest_sync(i);
}

static struct vm *start(int nr_planes)
{
	struct vm *vm = vm_create(nr_planes);
	int i;

	for (i = 0; i < nr_planes; i++)
		vm_start(vm, i, sync_forever);
	return vm;
}

static void expect_sync(struct vm *vm, __u32 plane, __u64 value)
{
	const struct guest_call *call;

	vm_run(vm);
	call = vm_guest_call(vm);
	ASSERT(call);
	ASSERT_EQ(call->plane, plane);
	ASSERT_EQ(call->arg[0], value);
}

static void chosen_plane(enum test_how how)
{
	struct vm *vm = start(2);
	struct kvm_run_planes *planes = kvm_run_planes(vm->run);
	int i;

	for (i = 0; i < 10; i++) {
		planes->plane = 0;
		expect_sync(vm, 0, i);
		ASSERT_EQ(planes->plane, 0);
		planes->plane = 1;
		expect_sync(vm, 1, i);
		ASSERT_EQ(planes->plane, 1);
	}
	vm_free(vm);
}

static void without_planes(enum test_how how)
{
	struct vm *vm = start(1);
	struct kvm_run_planes *planes = kvm_run_planes(vm->run);

	planes->plane = 0xff;
	planes->suspended_planes = 0xffff;
	planes->req_exit_planes = 0xffff;
	expect_sync(vm, 0, 0);
	expect_sync(vm, 0, 1);
	vm_free(vm);
}

static void must_not_run(struct vm *vm, __u8 plane, int error)
{
	static __u8 before[4096], after[4096];
	struct kvm_regs regs[2];
	int i, err;

	kvm_run_planes(vm->run)->plane = plane;
	memcpy(before, vm->run, sizeof(before));
	vm_ioctl(vm->vcpu[0], KVM_GET_REGS, &regs[0]);

	errno = 0;
	i = ioctl(vm->vcpu[0], KVM_RUN, 0);
	err = errno;
	ASSERT_EQ(i, -1);
	ASSERT_EQ(err, error);
	vm_ioctl(vm->vcpu[0], KVM_GET_REGS, &regs[1]);
	memcpy(after, vm->run, sizeof(after));
	ASSERT(!memcmp(&regs[0], &regs[1], sizeof(regs[0])));
	for (i = 0; i < (int)sizeof(before); i++)
		if (before[i] != after[i])
			fail("kvm_run differs at offset %#x: %#x, %#x", i, before[i], after[i]);
}

static void run_errors(enum test_how how)
{
	struct vm *vm = start(2);

	vm_ioctl(vm->fd, KVM_CREATE_PLANE, 2);
	expect_sync(vm, 0, 0);
	must_not_run(vm, KVM_MAX_PLANES, EINVAL);
	must_not_run(vm, 0xff, EINVAL);
	must_not_run(vm, 2, ENOENT);		/* the plane is there, but this vCPU is not in it */
	must_not_run(vm, 3, ENOENT);
	kvm_run_planes(vm->run)->plane = 1;
	expect_sync(vm, 1, 0);
	must_not_run(vm, 2, ENOENT);
	kvm_run_planes(vm->run)->plane = 0;
	expect_sync(vm, 0, 1);
	kvm_run_planes(vm->run)->plane = 1;
	expect_sync(vm, 1, 1);
	vm_free(vm);
}

/* A byte from a port and eight bytes of no memory, again and again. */
static void read_devices(void)
{
	volatile __u64 *mmio = (__u64 *)MMIO_GPA;
	__u64 value;
	__u8 byte;

	for (;;) {
		asm volatile("in %1, %0" : "=a"(byte) : "d"((__u16)PORT_IN));
		value = *mmio;
		guest_sync(value << 8 | byte);
	}
}

/* Run @plane up to the exit, and give the answer that it waits for. */
static void expect_in(struct vm *vm, __u8 plane, __u8 answer)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_IO);
	ASSERT_EQ(vm->run->io.port, PORT_IN);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	*((__u8 *)vm->run + vm->run->io.data_offset) = answer;
}

static void expect_mmio(struct vm *vm, __u8 plane, __u64 answer)
{
	kvm_run_planes(vm->run)->plane = plane;
	vm_run(vm);
	ASSERT_EXIT(vm, KVM_EXIT_MMIO);
	ASSERT_EQ(vm->run->mmio.phys_addr, MMIO_GPA);
	ASSERT_EQ(kvm_run_planes(vm->run)->plane, plane);
	memcpy(vm->run->mmio.data, &answer, sizeof(answer));
}

static void completion(enum test_how how)
{
	struct vm *vm = vm_create(2);

	vm_start(vm, 0, read_devices);
	vm_start(vm, 1, read_devices);
	/* Every KVM_RUN asks for the plane that does not wait for the answer. */
	expect_in(vm, 0, 0x10);
	expect_in(vm, 1, 0x11);
	expect_mmio(vm, 0, 0x20);
	expect_mmio(vm, 1, 0x21);
	kvm_run_planes(vm->run)->plane = 0;
	expect_sync(vm, 0, 0x2010);
	kvm_run_planes(vm->run)->plane = 1;
	expect_sync(vm, 1, 0x2111);
	expect_in(vm, 0, 0x30);
	expect_in(vm, 1, 0x31);
	expect_mmio(vm, 0, 0x40);
	expect_mmio(vm, 1, 0x41);
	kvm_run_planes(vm->run)->plane = 0;
	expect_sync(vm, 0, 0x4030);
	vm_free(vm);
}

/* Registers given with KVM_RUN are for the plane that it asks for. */
static void sync_regs(enum test_how how)
{
	struct vm *vm = start(2);
	struct kvm_run *run = vm->run;
	struct kvm_regs regs;

	run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	expect_sync(vm, 0, 0);
	vm_ioctl(vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT(!memcmp(&regs, &run->s.regs.regs, sizeof(regs)));

	vm_ioctl(vm->vcpu[1], KVM_GET_REGS, &run->s.regs.regs);
	run->s.regs.regs.r15 = 0x1234;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	kvm_run_planes(run)->plane = 1;
	expect_sync(vm, 1, 0);
	ASSERT_EQ(run->kvm_dirty_regs, 0);
	vm_ioctl(vm->vcpu[1], KVM_GET_REGS, &regs);
	ASSERT(!memcmp(&regs, &run->s.regs.regs, sizeof(regs)));

	kvm_run_planes(run)->plane = 0;
	expect_sync(vm, 0, 1);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("KVM_RUN runs the plane that it asks for, from where that left off", chosen_plane),
	TEST("a VM without planes ignores what is in kvm_run for them", without_planes),
	TEST("KVM_RUN of a plane that is not there is refused and changes nothing", run_errors),
	TEST("port and memory-mapped I/O is completed for the plane it came from", completion),
	TEST("registers in kvm_run are of the plane that ran, and for the one to run", sync_regs),
	{ }
};
