// SPDX-License-Identifier: GPL-2.0
/*
 * A plane passes parameters of a hypercall in memory. KVM must not read them where the plane
 * may not: an interrupt vector, for one, comes back to the plane itself. The plane exits as if
 * it read there (TLFS, "Hypercall inputs": a memory intercept), and has made no hypercall.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "lapic.h"
#include "mem_test.h"
#include "vtl_guest.h"

/* TLFS, appendix A, and "Hypercall interface" for the control word */
#define HV_FLUSH_SPACE		0x0002
#define HV_FLUSH_LIST		0x0003
#define HV_SEND_IPI		0x000b
#define HV_FLUSH_SPACE_EX	0x0013
#define HV_FLUSH_LIST_EX	0x0014
#define HV_SEND_IPI_EX		0x0015
#define HV_POST_MESSAGE		0x005c
#define HV_SIGNAL_EVENT		0x005d
#define HV_EXT_QUERY		0x8001
#define HV_VARHEAD(n)		((__u64)(n) << 17)
#define HV_REPS(n)		((__u64)(n) << 32)
#define HV_INVALID_PORT_ID	17

/* Xen's public headers; the number is in RAX, parameters are in RDI and RSI */
#define XEN_SCHED_OP		29
#define XEN_EVENT_CHANNEL_OP	32
#define XEN_SEND		4
#define XEN_POLL		3
#define XEN_HCALL_MSR		0x40000200

#define PAGE		(MEM_GPA + MEM_HUGE)
#define VECTOR		0x51

static struct guest_regs in = { .rflags = X86_RFLAGS_FIXED }, out;

static void caller(void)
{
	in.cs = GUEST_CS;
	in.ss = GUEST_DS;
	in.rip = (unsigned long)guest_hypercall_insn;
	for (;;) {
		guest_run(&in, &out);
		guest_sync(out.gpr[RAX]);
	}
}

static __u8 *at(struct mem_vm *m, __u64 gpa)
{
	return m->mem + (gpa - MEM_GPA);
}

static struct mem_vm start(void)
{
	struct mem_vm m = mem_start(2);
	int i;

	for (i = 0; i < 2; i++) {
		if (vm_enable_cap(m.vm->vcpu[i], KVM_CAP_HYPERV_SYNIC2, 0, 0, 0))
			fail("KVM_CAP_HYPERV_SYNIC2: %s", strerror(errno));
		vm_set_msr(m.vm, i, HV_MSR_GUEST_OS_ID, 1);
		vm_start(m.vm, i, caller);
		lapic_enable_x2apic(m.vm->vcpu[i]);
	}
	return m;
}

static void tell(__u64 control, __u64 input, __u64 output)
{
	in.gpr[RAX] = 0x1234;
	in.gpr[RCX] = control;
	in.gpr[RDX] = input;
	in.gpr[R8] = output;
}

/* @plane exits at the hypercall, which has had no effect, as often as it tries. */
static void expect_fault(struct mem_vm *m, int plane, __u64 gpa, __u64 flag)
{
	struct kvm_regs regs;
	int i;

	for (i = 0; i < 2; i++) {
		mem_fault(m, plane, gpa, flag);
		vm_ioctl(m->vm->vcpu[plane], KVM_GET_REGS, &regs);
		ASSERT_EQ(regs.rip, (unsigned long)guest_hypercall_insn);
		ASSERT_EQ(regs.rax, in.gpr[RAX]);
	}
}

static __u64 result(struct mem_vm *m, int plane)
{
	return mem_done(m, plane) & 0xffff;
}

/* One byte for each vector would come back as an interrupt. */
static void ipi(enum test_how how)
{
	struct mem_vm m = start();
	__u64 *input = (__u64 *)at(&m, PAGE);
	int vector;

	tell(HV_SEND_IPI, PAGE, 0);
	mem_attr(&m, 1, PAGE, MEM_PAGE, NONE);
	input[1] = 1;
	for (vector = 16; vector < 256; vector += 33) {
		input[0] = vector;
		expect_fault(&m, 1, PAGE, NR);
		ASSERT(!lapic_in_irr(m.vm->vcpu[1], vector));
	}

	input[0] = VECTOR;
	mem_attr(&m, 1, PAGE, MEM_PAGE, NW);
	ASSERT_EQ(result(&m, 1), 0);
	ASSERT(lapic_in_irr(m.vm->vcpu[1], VECTOR));
	mem_free(&m);
}

/* The parameters begin where the plane may read, and the list of targets is where it may not. */
static void ipi_targets(enum test_how how)
{
	struct mem_vm m = start();
	__u64 *input = (__u64 *)at(&m, PAGE - 24);

	tell(HV_SEND_IPI_EX | HV_VARHEAD(1), PAGE - 24, 0);
	input[0] = VECTOR;
	input[1] = 0;		/* a sparse set, of one bank: */
	input[2] = 1;
	input[3] = 1;
	mem_attr(&m, 1, PAGE, MEM_PAGE, NONE);
	expect_fault(&m, 1, PAGE, NR);
	ASSERT(!lapic_in_irr(m.vm->vcpu[1], VECTOR));
	mem_attr(&m, 1, PAGE - MEM_PAGE, MEM_PAGE, NONE);
	expect_fault(&m, 1, PAGE - MEM_PAGE, NR);

	mem_attr(&m, 1, PAGE - MEM_PAGE, 2 * MEM_PAGE, 0);
	ASSERT_EQ(result(&m, 1), 0);
	ASSERT(lapic_in_irr(m.vm->vcpu[1], VECTOR));
	mem_free(&m);
}

/* Flushes of other planes than 0 look at no parameters. */
static void flush(enum test_how how)
{
	static const __u64 controls[] = {
		HV_FLUSH_SPACE, HV_FLUSH_LIST | HV_REPS(1),
		HV_FLUSH_SPACE_EX | HV_VARHEAD(1), HV_FLUSH_LIST_EX | HV_VARHEAD(1) | HV_REPS(1),
	};
	struct mem_vm m = start();
	__u64 *input = (__u64 *)at(&m, PAGE - 32);
	unsigned int i;

	input[0] = 0;		/* address space and flags */
	input[1] = 0;
	input[2] = 1;		/* mask of processors; format of a set of them */
	input[3] = 1;
	input[4] = 1;
	input[5] = 0;
	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		note("%#llx", controls[i]);
		input[2] = i < 2;
		tell(controls[i], PAGE - 32, 0);
		mem_attr(&m, 0, PAGE - MEM_PAGE, MEM_PAGE, NONE);
		expect_fault(&m, 0, PAGE - MEM_PAGE, NR);
		mem_attr(&m, 0, PAGE - MEM_PAGE, MEM_PAGE, 0);
		ASSERT_EQ(result(&m, 0), 0);
		/* All but the first of them go on in the next page, or have more there. */
		if (i < 2)
			continue;
		mem_attr(&m, 0, PAGE, MEM_PAGE, NONE);
		expect_fault(&m, 0, PAGE, NR);
		mem_attr(&m, 0, PAGE, MEM_PAGE, 0);
		ASSERT_EQ(result(&m, 0), 0);
	}
	mem_free(&m);
}

/* What KVM leaves to userspace, which is not bound: the plane exits first if it may not. */
static void passed_on(struct mem_vm *m, __u64 control, __u64 input, __u64 output, __u64 flag)
{
	const struct kvm_run *run = m->vm->run;

	note("%#llx", control);
	tell(control, input, output);
	mem_attr(m, 1, PAGE, MEM_PAGE, flag == NW ? NW : NONE);
	expect_fault(m, 1, PAGE, flag);
	mem_attr(m, 1, PAGE, MEM_PAGE, 0);
	vm_run(m->vm);
	ASSERT_EXIT(m->vm, KVM_EXIT_HYPERV);
	ASSERT_EQ(run->hyperv.u.hcall.input, control);
	ASSERT_EQ(run->hyperv.u.hcall.params[1], output);
	m->vm->run->hyperv.u.hcall.result = HV_INVALID_PORT_ID;
	ASSERT_EQ(result(m, 1), HV_INVALID_PORT_ID);
}

static void to_userspace(enum test_how how)
{
	struct mem_vm m = start();

	memset(at(&m, PAGE), 0, MEM_PAGE);
	passed_on(&m, HV_SIGNAL_EVENT, PAGE, 0, NR);
	passed_on(&m, HV_POST_MESSAGE, PAGE, 0, NR);
	passed_on(&m, HV_POST_MESSAGE, PAGE - 16, 0, NR);
	passed_on(&m, HV_EXT_QUERY, 0, PAGE, NW);
	mem_free(&m);
}

/* Those of other planes are userspace's. */
static void xen(enum test_how how)
{
	static const __u64 calls[][2] = {
		{ XEN_EVENT_CHANNEL_OP, XEN_SEND },
		{ XEN_SCHED_OP, XEN_POLL },
	};
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL | KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = XEN_HCALL_MSR,
	};
	struct mem_vm m = start();
	unsigned int i;

	if (ioctl(m.vm->fd, KVM_XEN_HVM_CONFIG, &config))
		skip("KVM_XEN_HVM_CONFIG: %s", strerror(errno));
	memset(at(&m, PAGE), 0, MEM_PAGE);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		note("%llu", calls[i][0]);
		in.gpr[RAX] = calls[i][0];
		in.gpr[RDI] = calls[i][1];
		in.gpr[RSI] = PAGE;
		mem_attr(&m, 0, PAGE, MEM_PAGE, NONE);
		expect_fault(&m, 0, PAGE, NR);
		mem_attr(&m, 0, PAGE, MEM_PAGE, 0);
		kvm_run_planes(m.vm->run)->plane = 0;
		vm_run(m.vm);
		/* No such event channel: userspace may have it. There is nothing to poll. */
		if (calls[i][0] == XEN_EVENT_CHANNEL_OP) {
			ASSERT_EXIT(m.vm, KVM_EXIT_XEN);
			m.vm->run->xen.u.hcall.result = 0x77;
			ASSERT_EQ(mem_done(&m, 0), 0x77);
		} else {
			ASSERT(vm_guest_call(m.vm));
			ASSERT_EQ(vm_guest_call(m.vm)->arg[0], 0);
		}
	}
	mem_free(&m);
}

const struct test tests[] = {
	TEST("a plane that has an IPI's vector where it may not read exits, and sends none", ipi),
	TEST("so does one that has the list of targets there", ipi_targets),
	TEST("so does one that has there what is to be flushed", flush),
	TEST("so does one whose hypercall userspace would answer", to_userspace),
	TEST("so does plane 0 if it makes a hypercall of Xen", xen),
	{ }
};
