// SPDX-License-Identifier: GPL-2.0
/*
 * IPIs stay in the plane of their sender, also when planes have only some of
 * the vCPUs. Two vCPUs, of which only the first runs; three planes, the last of
 * which has the first vCPU only.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "lapic.h"
#include "test.h"
#include "vtl_guest.h"

#define X2APIC_BROADCAST	0xffffffffU

#define HV_SEND_IPI_FAST	(0x000bULL | 1ULL << 16)

#define VECTOR			0x60
#define NR_VCPUS		2
#define NR_PLANES		3

struct ipi {
	struct vm *vm;
	int vcpu[NR_VCPUS][NR_PLANES];
	struct kvm_lapic_state clean[NR_VCPUS][NR_PLANES];
};

static volatile __u64 icr;
static volatile bool by_hypercall;

static void send_ipis(void)
{
	vtl_enable();
	for (;;) {
		guest_sync(0);
		if (by_hypercall) {
			struct guest_regs regs = { .rflags = X86_RFLAGS_FIXED }, out;

			regs.cs = GUEST_CS;
			regs.ss = GUEST_DS;
			regs.rip = (unsigned long)guest_hypercall_insn;
			regs.gpr[RCX] = HV_SEND_IPI_FAST;
			regs.gpr[RDX] = VECTOR;
			regs.gpr[R8] = 3;
			guest_run(&regs, &out);
			GUEST_ASSERT_EQ(out.gpr[RAX], 0);
		} else {
			wrmsr(MSR_X2APIC_ICR, icr);
		}
	}
}

static void start(struct ipi *t)
{
	struct vm *vm = vm_create(NR_PLANES);
	int i, plane;

	*t = (struct ipi) { .vm = vm };
	t->vcpu[1][0] = vm_ioctl(vm->fd, KVM_CREATE_VCPU, 1);
	vm_ioctl(t->vcpu[1][0], KVM_SET_CPUID2, vm->cpuid);
	t->vcpu[1][1] = vm_ioctl(vm->plane[1], KVM_CREATE_VCPU_PLANE, t->vcpu[1][0]);
	t->vcpu[1][2] = -1;
	for (plane = 0; plane < NR_PLANES; plane++) {
		t->vcpu[0][plane] = vm->vcpu[plane];
		vm_start(vm, plane, send_ipis);
		kvm_run_planes(vm->run)->plane = plane;
		vm_run(vm);
		ASSERT(vm_guest_call(vm));
	}
	for (i = 0; i < NR_VCPUS; i++) {
		for (plane = 0; plane < NR_PLANES; plane++) {
			if (t->vcpu[i][plane] < 0)
				continue;
			lapic_enable_x2apic(t->vcpu[i][plane]);
			vm_ioctl(t->vcpu[i][plane], KVM_GET_LAPIC, &t->clean[i][plane]);
		}
	}
}

/* Which have the vector pending, vCPU 0 in plane 0 being bit 0, vCPU 1 in plane 0 bit 1, ... */
static __u32 pending(struct ipi *t)
{
	struct kvm_lapic_state apic;
	__u32 irr, mask = 0;
	int i, plane;

	for (i = 0; i < NR_VCPUS; i++) {
		for (plane = 0; plane < NR_PLANES; plane++) {
			if (t->vcpu[i][plane] < 0)
				continue;
			vm_ioctl(t->vcpu[i][plane], KVM_GET_LAPIC, &apic);
			memcpy(&irr, apic.regs + APIC_IRR + VECTOR / 32 * 0x10, sizeof(irr));
			if (irr & 1U << VECTOR % 32)
				mask |= 1U << (plane * NR_VCPUS + i);
			vm_ioctl(t->vcpu[i][plane], KVM_SET_LAPIC, &t->clean[i][plane]);
		}
	}
	return mask;
}

static __u32 send(struct ipi *t, int plane, __u64 value)
{
	icr = value;
	kvm_run_planes(t->vm->run)->plane = plane;
	vm_run(t->vm);
	ASSERT(vm_guest_call(t->vm));
	return pending(t);
}

static void each_destination(enum test_how how)
{
	struct ipi t;
	int plane;

	start(&t);
	for (plane = 0; plane < 2; plane++) {
		int shift = plane * NR_VCPUS;

		ASSERT_EQ(send(&t, plane, ICR_DEST(1) | VECTOR) >> shift, 2);
		ASSERT_EQ(send(&t, plane, ICR_DEST(0) | VECTOR) >> shift, 1);
		ASSERT_EQ(send(&t, plane, ICR_DEST(X2APIC_BROADCAST) | VECTOR) >> shift, 3);
		ASSERT_EQ(send(&t, plane, ICR_DEST(3) | ICR_LOGICAL | VECTOR) >> shift, 3);
		ASSERT_EQ(send(&t, plane, ICR_DEST(2) | ICR_LOGICAL | VECTOR) >> shift, 2);
		ASSERT_EQ(send(&t, plane, ICR_SELF | VECTOR) >> shift, 1);
		ASSERT_EQ(send(&t, plane, ICR_ALL | VECTOR) >> shift, 3);
		ASSERT_EQ(send(&t, plane, ICR_OTHERS | VECTOR) >> shift, 2);
	}

	/* What is not shifted out above is another plane's. */
	ASSERT_EQ(send(&t, 1, ICR_ALL | VECTOR), 3U << NR_VCPUS);
	ASSERT_EQ(send(&t, 0, ICR_ALL | VECTOR), 3U);
	vm_free(t.vm);
}

static void absent_vcpu(enum test_how how)
{
	struct ipi t;

	start(&t);
	ASSERT_EQ(send(&t, 2, ICR_DEST(1) | VECTOR), 0);
	ASSERT_EQ(send(&t, 2, ICR_OTHERS | VECTOR), 0);
	ASSERT_EQ(send(&t, 2, ICR_OTHERS | ICR_NMI), 0);
	ASSERT_EQ(send(&t, 2, ICR_ALL | VECTOR), 1U << 2 * NR_VCPUS);
	ASSERT_EQ(send(&t, 2, ICR_DEST(X2APIC_BROADCAST) | VECTOR), 1U << 2 * NR_VCPUS);
	vm_free(t.vm);
}

static void hyperv_ipi(enum test_how how)
{
	struct ipi t;
	int plane;

	start(&t);
	by_hypercall = true;
	for (plane = 0; plane < 2; plane++)
		ASSERT_EQ(send(&t, plane, 0), 3U << plane * NR_VCPUS);
	ASSERT_EQ(send(&t, 2, 0), 1U << 2 * NR_VCPUS);
	vm_free(t.vm);
}

const struct test tests[] = {
	TEST("an IPI reaches the vCPUs that it names in the sender's plane and none in another",
	     each_destination),
	TEST("an IPI to a vCPU that the plane has not reaches none", absent_vcpu),
	TEST("an IPI by Hyper-V's hypercall does the same", hyperv_ipi),
	{ }
};
