// SPDX-License-Identifier: GPL-2.0
/*
 * Creating planes and their vCPUs, and what the new fds take; each error by name.
 */
#include <fcntl.h>
#include <linux/kvm_plane_bpf.h>
#include <stdlib.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test.h"

static void extensions(enum test_how how)
{
	struct vm *vm = vm_create(2);
	int kvm = vmm_open_kvm();

	ASSERT_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE), KVM_MAX_PLANES - 1);
	ASSERT_EQ(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE), KVM_MAX_PLANES - 1);
	ASSERT_EQ(ioctl(vm->plane[1], KVM_CHECK_EXTENSION, KVM_CAP_PLANE), 0);
	ASSERT_EQ(ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH), KVM_PLANE_ABI);
	ASSERT(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH) > 0);
	ASSERT_EQ(ioctl(vm->plane[1], KVM_CHECK_EXTENSION, KVM_CAP_PLANE_SWITCH), 0);
	vm_free(vm);
}

static void plane_ids(enum test_how how)
{
	struct vm *vm = vm_create(1);
	int i;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, 0), EEXIST);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, KVM_MAX_PLANES), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, ~0UL), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, 1UL << 32 | 1), EINVAL);
	/* In any order; a plane stays when its fd is closed. */
	for (i = KVM_MAX_PLANES - 1; i > 0; i--) {
		int fd = vm_ioctl(vm->fd, KVM_CREATE_PLANE, i);

		ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, i), EEXIST);
		close(fd);
		ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PLANE, i), EEXIST);
	}
	vm_free(vm);
}

static void vcpu_fds(enum test_how how)
{
	struct vm *vm = vm_create(2), *other = vm_create(1);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int plane = vm_ioctl(vm->fd, KVM_CREATE_PLANE, 2);
	int i;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU_PLANE, vm->vcpu[0]), ENOTTY);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, -1UL), EBADF);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, 1UL << 32), EBADF);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, 1000), EBADF);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, null), EINVAL);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, vm->fd), EINVAL);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, plane), EINVAL);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, other->vcpu[0]), EINVAL);
	ASSERT_ERRNO(ioctl(plane, KVM_CREATE_VCPU_PLANE, vm->vcpu[1]), EINVAL);
	ASSERT_ERRNO(ioctl(vm->plane[1], KVM_CREATE_VCPU_PLANE, vm->vcpu[0]), EEXIST);
	/* It stays when its fd is closed. */
	close(vm->vcpu[1]);
	vm->vcpu[1] = -1;
	ASSERT_ERRNO(ioctl(vm->plane[1], KVM_CREATE_VCPU_PLANE, vm->vcpu[0]), EEXIST);
	/* The errors above took nothing away. */
	for (i = 2; i < KVM_MAX_PLANES; i++) {
		if (i > 2)
			plane = vm_ioctl(vm->fd, KVM_CREATE_PLANE, i);
		vm_ioctl(plane, KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
	}
	vm_free(vm);
	vm_free(other);
}

static void several_vcpus(enum test_how how)
{
	struct vm *vm = vm_create(2);
	int vcpu1 = vm_ioctl(vm->fd, KVM_CREATE_VCPU, 1);
	int plane2 = vm_ioctl(vm->fd, KVM_CREATE_PLANE, 2);

	vm_ioctl(vcpu1, KVM_SET_CPUID2, vm->cpuid);
	vm_ioctl(plane2, KVM_CREATE_VCPU_PLANE, vcpu1);
	ASSERT_ERRNO(ioctl(plane2, KVM_CREATE_VCPU_PLANE, vcpu1), EEXIST);
	vm_ioctl(vm->plane[1], KVM_CREATE_VCPU_PLANE, vcpu1);
	vm_ioctl(plane2, KVM_CREATE_VCPU_PLANE, vm->vcpu[0]);
	vm_free(vm);
}

/* Zeros make a good argument, as the fd is to refuse before it looks. */
static void plane_vcpu_ioctls(enum test_how how)
{
	static const unsigned long refused[] = {
		KVM_RUN, KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_SET_SIGNAL_MASK, KVM_INTERRUPT,
		KVM_SMI, KVM_SET_GUEST_DEBUG, KVM_GET_STATS_FD, KVM_CREATE_VCPU_PLANE,
		KVM_CREATE_PLANE, KVM_CREATE_VCPU, KVM_CHECK_EXTENSION,
		_IO(KVMIO, 0xfe),
	};
	static const unsigned long accepted[] = {
		KVM_GET_REGS, KVM_GET_SREGS, KVM_GET_FPU, KVM_GET_XSAVE, KVM_GET_XCRS,
		KVM_GET_VCPU_EVENTS, KVM_GET_DEBUGREGS, KVM_GET_LAPIC,
	};
	static __u8 argument[65536];
	struct vm *vm = vm_create(2);
	unsigned int i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		errno = 0;
		if (ioctl(vm->vcpu[1], refused[i], argument) != -1 || errno != ENOTTY)
			fail("ioctl %#lx on a plane's vCPU: %s", refused[i], strerror(errno));
		errno = 0;
		if (refused[i] != KVM_CREATE_VCPU_PLANE && refused[i] != KVM_CHECK_EXTENSION &&
		    (ioctl(vm->plane[1], refused[i], argument) != -1 || errno != ENOTTY))
			fail("ioctl %#lx on a plane: %s", refused[i], strerror(errno));
	}
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++)
		if (ioctl(vm->vcpu[1], accepted[i], argument))
			fail("ioctl %#lx on a plane's vCPU: %s", accepted[i], strerror(errno));
	vm_free(vm);
}

static void cpuid(enum test_how how)
{
	struct vm *vm = vm_create(2);

	vm_ioctl(vm->vcpu[0], KVM_SET_CPUID2, vm->cpuid);
	vm->cpuid->entries[vm->cpuid->nent - 1].eax ^= 1;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_SET_CPUID2, vm->cpuid), EINVAL);
	vm->cpuid->entries[vm->cpuid->nent - 1].eax ^= 1;
	vm->cpuid->nent--;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_SET_CPUID2, vm->cpuid), EINVAL);
	vm_free(vm);
}

static volatile bool stop;

static void spin_until_stopped(void)
{
	while (!stop)
		guest_spin();
	for (;;)
		guest_sync(0);
}

static void *add_planes(void *arg)
{
	struct vm *vm = arg;
	int i;

	usleep(20000);
	for (i = 1; i < KVM_MAX_PLANES; i++)
		vm_add_plane(vm, i);
	stop = true;
	return NULL;
}

/* The guest runs until the planes are there: to wait for it would be to wait forever. */
static void while_running(enum test_how how)
{
	struct vm *vm = vm_create(1);
	pthread_t thread;
	int i;

	vm_start(vm, 0, spin_until_stopped);
	pthread_create(&thread, NULL, add_planes, vm);
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	pthread_join(thread, NULL);

	for (i = 1; i < KVM_MAX_PLANES; i++) {
		vm_start(vm, i, spin_until_stopped);
		kvm_run_planes(vm->run)->plane = i;
		vm_run(vm);
		ASSERT(vm_guest_call(vm));
		ASSERT_EQ(vm_guest_call(vm)->plane, i);
	}
	vm_free(vm);
}

static void read_tscp(void)
{
	for (;;) {
		asm volatile("rdtscp" : : : "rax", "rcx", "rdx");
		guest_sync(0);
	}
}

static void *run_to_end(void *vm)
{
	vm_run(vm);
	return NULL;
}

/*
 * VMX enables RDTSCP in the VMCS when CPUID is set. The other VM's VMCS is current instead, if
 * its vCPU gets the CPU while the plane's is created but not loaded.
 */
static void while_another_runs(enum test_how how)
{
	struct vm *other = vm_create(1);
	cpu_set_t all, one;
	pthread_t thread;
	int i, plane;

	ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);

	stop = false;
	vm_start(other, 0, spin_until_stopped);
	pthread_create(&thread, NULL, run_to_end, other);
	for (i = 0; i < 40; i++) {
		struct vm *vm = vm_create(KVM_MAX_PLANES);

		for (plane = 1; plane < KVM_MAX_PLANES; plane++) {
			vm_start(vm, plane, read_tscp);
			kvm_run_planes(vm->run)->plane = plane;
			vm_run(vm);
			ASSERT(vm_guest_call(vm));
		}
		vm_free(vm);
	}
	stop = true;
	pthread_join(thread, NULL);
	vm_free(other);
	ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* Every order of closing the four fds of a VM with a plane */
static void closing_order(enum test_how how)
{
	int i, order;

	for (order = 0; order < 256; order++) {
		int used = 0, n = 0, pick[4];
		struct vm *vm;

		for (i = 0; i < 4; i++) {
			pick[i] = order >> (2 * i) & 3;
			used |= 1 << pick[i];
		}
		if (used != 15)
			continue;

		vm = vm_create(2);
		const int fds[4] = { vm->fd, vm->vcpu[0], vm->plane[1], vm->vcpu[1] };

		for (i = 0; i < 4; i++)
			n += close(fds[pick[i]]);
		ASSERT_EQ(n, 0);
		free(vm->cpuid);
		free(vm);
	}
}

const struct test tests[] = {
	TEST("KVM_CHECK_EXTENSION says how many planes there are", extensions),
	TEST("a plane is created once, and only one that there can be", plane_ids),
	TEST("a plane takes the fd of plane 0's vCPU of the same VM, once", vcpu_fds),
	TEST("each vCPU of a VM has planes of its own", several_vcpus),
	TEST("planes are added to a vCPU while it runs", while_running),
	TEST("a plane has what CPUID promises if another VM runs on the CPU while it is created",
	     while_another_runs),
	TEST("a plane's vCPU fd is for its state and nothing else", plane_vcpu_ioctls),
	TEST("CPUID cannot be changed once a vCPU has a second plane", cpuid),
	TEST("the fds of a VM with planes can be closed in every order", closing_order),
	{ }
};
