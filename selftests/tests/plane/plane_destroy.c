// SPDX-License-Identifier: GPL-2.0
/*
 * A VM goes while timers of its planes expire: each of them tells the plane that ran last, which
 * may be gone. tests/run boots this with the memory that KVM frees poisoned, so that the kernel
 * complains of a write to it.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lapic.h"

#define NR_VCPUS	8
#define NR_PLANES	3
#define SECONDS		5
#define VECTOR		0x40
#define TDCR_DIVIDE_BY_1	0xb
#define ALL_PLANES	((1 << KVM_MAX_PLANES) - 1)

static int kvm;

struct vcpu {
	int fd[NR_PLANES];
	struct kvm_run *run;
};

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void set_reg(struct kvm_lapic_state *apic, int reg, __u32 value)
{
	memcpy(apic->regs + reg, &value, sizeof(value));
}

/* KVM's APIC timers count nanoseconds. */
static void start_timer(int vcpu, __u32 ns)
{
	struct kvm_lapic_state apic;

	vm_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	set_reg(&apic, APIC_SPIV, APIC_SPIV_ON | 0xff);
	set_reg(&apic, APIC_LVTT, VECTOR);
	set_reg(&apic, APIC_TDCR, TDCR_DIVIDE_BY_1);
	set_reg(&apic, APIC_TMICT, ns);
	set_reg(&apic, APIC_TMCCT, ns);
	vm_ioctl(vcpu, KVM_SET_LAPIC, &apic);
}

/* The plane ran last, and wants to know of the events of all others. */
static void leave_in(struct vcpu *vcpu, __u8 plane)
{
	vcpu->run->immediate_exit = 1;
	kvm_run_planes(vcpu->run)->plane = plane;
	kvm_run_planes(vcpu->run)->req_exit_planes = ALL_PLANES;
	ASSERT_ERRNO(ioctl(vcpu->fd[0], KVM_RUN, 0), EINTR);
}

static void add_vcpu(int vm, const int *planes, int id, struct vcpu *vcpu)
{
	int plane;

	vcpu->fd[0] = vm_ioctl(vm, KVM_CREATE_VCPU, id);
	vcpu->run = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd[0], 0);
	ASSERT(vcpu->run != MAP_FAILED);
	for (plane = 1; plane < NR_PLANES; plane++)
		vcpu->fd[plane] = vm_ioctl(planes[plane], KVM_CREATE_VCPU_PLANE, vcpu->fd[0]);
}

static void close_vcpu(struct vcpu *vcpu)
{
	int plane;

	munmap(vcpu->run, getpagesize());
	for (plane = 0; plane < NR_PLANES; plane++)
		close(vcpu->fd[plane]);
}

/*
 * The timers of @timer_plane expire at different times of the @ns that it takes for the VM to
 * go; returns how long that was.
 */
static __u64 destroy_one(__u8 last_plane, int timer_plane, __u64 ns)
{
	int vm = vm_ioctl(kvm, KVM_CREATE_VM, 0), planes[NR_PLANES], i;
	struct vcpu vcpus[NR_VCPUS];
	__u64 start;

	if (vm_enable_cap(vm, KVM_CAP_SPLIT_IRQCHIP, 24, 0, 0))
		fail("KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
	for (i = 1; i < NR_PLANES; i++)
		planes[i] = vm_ioctl(vm, KVM_CREATE_PLANE, i);
	for (i = 0; i < NR_VCPUS; i++) {
		add_vcpu(vm, planes, i, &vcpus[i]);
		leave_in(&vcpus[i], last_plane);
	}

	for (i = 1; i < NR_PLANES; i++)
		close(planes[i]);
	close(vm);
	for (i = 0; i < NR_VCPUS; i++)
		start_timer(vcpus[i].fd[timer_plane], 1 + ns * (i + 1) / NR_VCPUS);
	start = now();
	for (i = 0; i < NR_VCPUS; i++)
		close_vcpu(&vcpus[i]);
	return now() - start;
}

static void destroy_many(__u8 last_plane, int timer_plane)
{
	__u64 end = now() + SECONDS * 1000000000ULL, ns = 1000000;
	unsigned int nr = 0;

	kvm = vmm_open_kvm();
	for (; now() < end; nr++)
		ns = destroy_one(last_plane, timer_plane, ns);
	note("%u VMs, the last in %llu us", nr, ns / 1000);
	close(kvm);
}

static void plane0_timer(enum test_how how)
{
	destroy_many(1, 0);
}

static void sibling_timer(enum test_how how)
{
	destroy_many(1, 2);
}

const struct test tests[] = {
	TEST("a timer of plane 0 may expire while its vCPU goes, which ran another plane last",
	     plane0_timer),
	TEST("so may one of another plane, while the one that ran last is gone",
	     sibling_timer),
	{ }
};
