// SPDX-License-Identifier: GPL-2.0
/*
 * The FPU: one for all planes of a vCPU, or one each, as the VM chose.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "policy.h"
#include "test.h"
#include "vtl_guest.h"

#define MXCSR_DEFAULT	0x1f80
#define HC_YIELD	0x706c616e65ULL		/* of bpf/template.bpf.c */

POLICY(template, "bpf/template.bpf.o");

static __u64 plane_value[2] = { 0x1111222233334444, 0x5555666677778888 };
static bool split;
static int turns;
static volatile bool stop;

static void write_xmm0(__u64 value)
{
	asm volatile("movq %0, %%xmm0" : : "r"(value));
}

static __u64 read_xmm0(void)
{
	__u64 value;

	asm volatile("movq %%xmm0, %0" : "=r"(value));
	return value;
}

static struct vm *start(bool own_fpu, const guest_code_t *entry)
{
	struct vm *vm = vm_create(1);
	int i;

	split = own_fpu;
	if (vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, own_fpu, 0, 0))
		fail("KVM_CAP_PLANE_FPU: %s", strerror(errno));
	ASSERT_EQ(ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_FPU), own_fpu);
	vm_add_plane(vm, 1);
	for (i = 0; i < 2; i++)
		vm_start(vm, i, entry[i]);
	return vm;
}

static void keep_value(void)
{
	__u64 value = plane_value[guest_plane()];

	write_xmm0(value);
	for (;;) {
		guest_sync(0);
		GUEST_ASSERT_EQ(read_xmm0(), split ? value : plane_value[1]);
	}
}

static void switched_by_userspace(bool own_fpu)
{
	const guest_code_t entry[] = { keep_value, keep_value };
	struct vm *vm = start(own_fpu, entry);
	int i;

	for (i = 0; i < 100; i++) {
		kvm_run_planes(vm->run)->plane = i & 1;
		vm_run(vm);
		ASSERT(vm_guest_call(vm));
	}
	vm_free(vm);
}

static void shared_fpu(enum test_how how)
{
	switched_by_userspace(false);
}

static void own_fpu(enum test_how how)
{
	switched_by_userspace(true);
}

static void ioctls(bool own_fpu)
{
	const guest_code_t entry[] = { keep_value, keep_value };
	struct vm *vm = start(own_fpu, entry);
	struct kvm_fpu fpu[2], set = { .fcw = 0x37f, .mxcsr = MXCSR_DEFAULT };
	struct kvm_xsave xsave[2];
	int i;

	for (i = 0; i < 2; i++) {
		vm_ioctl(vm->vcpu[1 - i], KVM_GET_FPU, &fpu[0]);
		memset(set.xmm, 0xa0 + i, sizeof(set.xmm));
		memset(set.fpr, 0, sizeof(set.fpr));
		vm_ioctl(vm->vcpu[i], KVM_SET_FPU, &set);
		vm_ioctl(vm->vcpu[1 - i], KVM_GET_FPU, &fpu[1]);
		ASSERT_EQ(!memcmp(&fpu[0], &fpu[1], sizeof(fpu[0])), own_fpu);
		ASSERT_EQ(!memcmp(set.xmm, fpu[1].xmm, sizeof(set.xmm)), !own_fpu);
	}

	/* XMM0 is at offset 160 of the XSAVE area; and XSTATE_BV at 512 says it is there. */
	for (i = 0; i < 2; i++) {
		vm_ioctl(vm->vcpu[i], KVM_GET_XSAVE, &xsave[0]);
		memset((char *)xsave[0].region + 160, 0xb0 + i, 16);
		xsave[0].region[128] |= 2;
		vm_ioctl(vm->vcpu[i], KVM_SET_XSAVE, &xsave[0]);
		vm_ioctl(vm->vcpu[1 - i], KVM_GET_XSAVE, &xsave[1]);
		ASSERT_EQ(((__u8 *)xsave[1].region)[160] == 0xb0 + i, !own_fpu);
	}
	vm_free(vm);
}

static void ioctls_shared(enum test_how how)
{
	ioctls(false);
}

static void ioctls_own(enum test_how how)
{
	ioctls(true);
}

/* A switch to the other plane, as bpf/template.bpf.c makes it: VTLs always share the FPU. */
static void take_turns(void)
{
	struct guest_regs in = vtl_hypercall_regs(0, HC_YIELD), out;

	guest_run(&in, &out);
}

static void plane0(void)
{
	int i;

	for (i = 0; i < turns; i++) {
		write_xmm0(plane_value[0] + i);
		take_turns();
		GUEST_ASSERT_EQ(read_xmm0(), split ? plane_value[0] + i : plane_value[1]);
	}
	guest_done();
}

static void plane1(void)
{
	for (;;) {
		write_xmm0(plane_value[1]);
		take_turns();
		if (split)
			GUEST_ASSERT_EQ(read_xmm0(), plane_value[1]);
	}
}

static void switched_by_kernel(bool own_fpu, int times)
{
	const guest_code_t entry[] = { plane0, plane1 };
	struct policy_status status;
	struct policy policy;
	struct vm *vm = start(own_fpu, entry);
	const struct guest_call *call;

	turns = times;
	ASSERT_EQ(policy_load(&policy, &policy_template), 0);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	vm_run(vm);
	call = vm_guest_call(vm);
	ASSERT(call && call->cmd == GUEST_DONE);
	if (policy_read_status(vm, &status))
		ASSERT_EQ(status.switches, 2 * times);
	vm_free(vm);
	policy_unload(&policy);
}

static void kernel_shared(enum test_how how)
{
	switched_by_kernel(false, 100);
}

static void kernel_own(enum test_how how)
{
	switched_by_kernel(true, 100);
}

/* The thread of the vCPU is preempted by one that uses the FPU, and goes from CPU to CPU. */
static void *disturb(void *thread)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	cpu_set_t cpu;

	for (i = 0; !stop; i++) {
		CPU_ZERO(&cpu);
		CPU_SET(i % cpus, &cpu);
		ASSERT_EQ(pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu), 0);
		write_xmm0(i);
		ASSERT_EQ(pthread_setaffinity_np(*(pthread_t *)thread, sizeof(cpu), &cpu), 0);
	}
	return NULL;
}

static void kernel_own_disturbed(enum test_how how)
{
	pthread_t self = pthread_self(), other;

	stop = false;
	ASSERT_EQ(pthread_create(&other, NULL, disturb, &self), 0);
	switched_by_kernel(true, 20000);
	stop = true;
	pthread_join(other, NULL);
}

static void choice(enum test_how how)
{
	int kvm = vmm_open_kvm();
	struct vm *vm = vm_create(1);

	ASSERT_EQ(vm_ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_FPU), 1);
	ASSERT_EQ(vm_ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_FPU), 0);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 1, 0, 0), 0);
	ASSERT_EQ(vm_ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_FPU), 1);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 0, 0, 0), 0);
	ASSERT_EQ(vm_ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_PLANE_FPU), 0);
	ASSERT_ERRNO(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 2, 0, 0), EINVAL);
	ASSERT_ERRNO(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 1, 1, 0), EINVAL);

	vm_add_plane(vm, 1);
	ASSERT_ERRNO(vm_enable_cap(vm->fd, KVM_CAP_PLANE_FPU, 1, 0, 0), EBUSY);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("a VM chooses, before it has a second plane, whether each has an FPU", choice),
	TEST("planes share the FPU unless they were to have their own", shared_fpu),
	TEST("KVM_SET_FPU and KVM_SET_XSAVE of one plane then set that of all", ioctls_shared),
	TEST("each plane has its own FPU if the VM chose so", own_fpu),
	TEST("KVM_SET_FPU and KVM_SET_XSAVE then set that of their plane", ioctls_own),
	TEST("a shared FPU stays as it is when KVM switches planes", kernel_shared),
	TEST("an FPU of their own is exchanged when KVM switches planes", kernel_own),
	TEST("so it is while other threads use the FPU, and the vCPU changes CPUs",
	     kernel_own_disturbed),
	{ }
};
