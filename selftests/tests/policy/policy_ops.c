// SPDX-License-Identifier: GPL-2.0
/*
 * Each op of a policy and each of its verdicts, with a policy that does what it is told (puppet.h):
 * what the op sees, what KVM does, and what userspace sees of it.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_test.h"
#include "puppet_test.h"
#include "vtl_guest.h"

#define MSR_GUEST_OS_ID	0x40000000
#define VECTOR		0x50
#define X86_NMI		2
#define VALUE		0x1122334455667788ULL

static struct puppet_test t;
static __u8 spin[] = { 0xfa, 0xeb, 0xfd };	/* as guest_spin() */
static __u64 data[512] __attribute__((aligned(4096)));

static struct puppet_op *start(enum puppet_op_nr op, int verdict, __u32 asks)
{
	puppet_start(&t, 3);
	t.puppet->op[op].verdict = verdict;
	t.puppet->op[op].asks = asks;
	return &t.puppet->op[op];
}

static void switch_to(struct puppet_op *op, __u32 target)
{
	op->verdict = KVM_PLANE_SWITCH;
	op->asks |= PUPPET_SWITCH | PUPPET_SUSPEND;
	op->target = target;
	op->suspend = 1;
}

/* Plane 1 has its turn, in place of plane 0, which is suspended. */
static void expect_switch(int plane)
{
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), plane);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, plane);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 1);
}

static void let_wrmsr(__u32 msr)
{
	puppet_let(0, puppet_wrmsr, (__u32)VALUE, msr, VALUE >> 32, 0);
}

static void let_rdmsr(__u32 msr)
{
	puppet_let(0, puppet_rdmsr, 0, msr, 0, 0);
}

static void expect_seen(const struct puppet_op *op, __u32 calls)
{
	ASSERT_EQ(op->calls, calls);
	ASSERT_EQ(op->seen.plane, 0);
	ASSERT_EQ(op->seen.cpl, 0);
	ASSERT_EQ(op->seen.mode, KVM_PLANE_MODE_64BIT);
	ASSERT_EQ(op->seen.planes, 7);
	ASSERT_EQ(op->seen.runnable, 6);
	ASSERT_EQ(op->seen.vcpu_id, 0);
	ASSERT_EQ(op->seen.vm_id, t.puppet->attach.vm_id);
}

static void wrmsr_answered(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_WRMSR, KVM_PLANE_RESUME, PUPPET_SKIP);

	let_wrmsr(PUPPET_MSR);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	expect_seen(op, 1);
	ASSERT_EQ(op->seen.msr, PUPPET_MSR);
	ASSERT_EQ(op->seen.value, VALUE);
	ASSERT_EQ(op->seen.regs[RCX], PUPPET_MSR);
	ASSERT_EQ(t.puppet->op[PUPPET_RDMSR].calls, 0);
	puppet_end(&t);
}

static void rdmsr_answered(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_RDMSR, KVM_PLANE_RESUME,
				     PUPPET_SKIP | PUPPET_WRITE_REGS);

	op->rax = 0x12345678;
	op->rdx = 0x9abcdef0;
	let_rdmsr(PUPPET_MSR);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	expect_seen(op, 1);
	ASSERT_EQ(op->seen.msr, PUPPET_MSR);
	ASSERT_EQ(op->seen.value, 0);
	ASSERT_EQ(puppet_out[0].gpr[RAX], 0x12345678);
	ASSERT_EQ(puppet_out[0].gpr[RDX], 0x9abcdef0);
	puppet_end(&t);
}

static void msr_passed(enum test_how how)
{
	struct puppet_op *rd = start(PUPPET_RDMSR, KVM_PLANE_PASS, PUPPET_SKIP | PUPPET_WRITE_REGS);
	struct puppet_op *wr = &t.puppet->op[PUPPET_WRMSR];
	__u64 pat = vm_get_msr(t.vm, 0, PUPPET_MSR_PAT);

	wr->asks = PUPPET_SKIP;
	let_rdmsr(PUPPET_MSR);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	let_wrmsr(PUPPET_MSR);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);

	let_rdmsr(PUPPET_MSR_PAT);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RDX] << 32 | (__u32)puppet_out[0].gpr[RAX], pat);
	puppet_let(0, puppet_wrmsr, (__u32)pat, PUPPET_MSR_PAT, pat >> 32 ^ 1 << 24, 0);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(vm_get_msr(t.vm, 0, PUPPET_MSR_PAT), pat ^ 1ULL << 56);
	ASSERT_EQ(rd->calls, 2);
	ASSERT_EQ(wr->calls, 2);
	puppet_end(&t);
}

static void msr_switched(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_WRMSR, KVM_PLANE_SWITCH, PUPPET_SKIP);

	switch_to(op, 2);
	let_wrmsr(PUPPET_MSR);
	puppet_let(2, puppet_wrmsr + 2, 0, 0, 0, 0);
	expect_switch(2);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	expect_seen(op, 1);
	ASSERT_EQ(puppet_stat(&t, "plane_switch_msr"), 1);
	puppet_end(&t);
}

static void expect_msr_event(__u32 flags)
{
	const struct kvm_plane_event *event = puppet_event(&t, 0, KVM_PLANE_EVENT_MSR);
	struct kvm_regs regs;

	ASSERT_EQ(event->flags, flags);
	ASSERT_EQ(event->extra, PUPPET_MSR);
	ASSERT_EQ(event->pending_event_planes, 1U << 2);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, puppet_in[0].rip);
}

static void msr_to_user(enum test_how how)
{
	struct puppet_op *wr = start(PUPPET_WRMSR, KVM_PLANE_USER, PUPPET_SKIP);
	struct puppet_op *rd = &t.puppet->op[PUPPET_RDMSR];
	struct kvm_regs regs;

	puppet_send(&t, 2, VECTOR);
	let_wrmsr(PUPPET_MSR);
	expect_msr_event(KVM_PLANE_MSR_WRITE);
	/* Nothing has been done, so it is done again. */
	expect_msr_event(KVM_PLANE_MSR_WRITE);
	ASSERT_EQ(wr->calls, 2);
	wr->verdict = KVM_PLANE_RESUME;
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);

	rd->verdict = KVM_PLANE_USER;
	let_rdmsr(PUPPET_MSR);
	expect_msr_event(0);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	regs.rip += 2;
	regs.rax = 7;
	vm_ioctl(t.vm->vcpu[0], KVM_SET_REGS, &regs);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RAX], 7);
	ASSERT_EQ(rd->calls, 1);
	puppet_end(&t);
}

static void msr_unclaimed(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_WRMSR, KVM_PLANE_RESUME, PUPPET_SKIP);

	let_wrmsr(MSR_GUEST_OS_ID);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(vm_get_msr(t.vm, 0, MSR_GUEST_OS_ID), VALUE);
	let_wrmsr(PUPPET_MSR + 1);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	ASSERT_EQ(op->calls, 0);
	puppet_end(&t);
}

/* An exception at the instruction, whether it was to be skipped or not */
static void refused(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_WRMSR, KVM_PLANE_RESUME, PUPPET_SKIP | PUPPET_INJECT);

	op->exception = X86_GP;
	let_wrmsr(PUPPET_MSR_PAT);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	op->exception = X86_UD;
	op->asks = PUPPET_INJECT;
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_UD);
	ASSERT_EQ(puppet_stat(&t, "plane_refused"), 2);
	puppet_end(&t);
}

static int set_attributes(int plane, __u64 attributes)
{
	struct kvm_memory_attributes attrs = {
		.address = (unsigned long)data,
		.size = sizeof(data),
		.attributes = attributes,
	};

	return ioctl(plane ? t.vm->plane[plane] : t.vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attrs);
}

static struct puppet_op *start_fault(int verdict, __u32 asks)
{
	struct puppet_op *op = start(PUPPET_MEMORY_FAULT, verdict, asks);

	ASSERT_EQ(set_attributes(0, NW), 0);
	data[3] = 1;
	puppet_let(0, puppet_write, VALUE, 0, 0, (unsigned long)&data[3]);
	return op;
}

static void expect_memory_exit(void)
{
	const struct {
		__u64 flags;
		__u64 gpa;
		__u64 size;
	} *fault = (void *)&t.vm->run->hw;

	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_MEMORY_FAULT);
	ASSERT_EQ(fault->flags, KVM_MEMORY_EXIT_FLAG_WRITE);
	ASSERT_EQ(fault->gpa, (unsigned long)data);
	ASSERT_EQ(fault->size, 4096);
	ASSERT_EQ(data[3], 1);
}

static void expect_fault_seen(const struct puppet_op *op, __u32 calls)
{
	expect_seen(op, calls);
	ASSERT_EQ(op->seen.access, KVM_MEMORY_EXIT_FLAG_WRITE);
	ASSERT_EQ(op->seen.gpa & -4096UL, (unsigned long)data);
}

static void write_allowed(void)
{
	ASSERT_EQ(set_attributes(0, 0), 0);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(data[3], VALUE);
	puppet_end(&t);
}

static void fault_to_user(int verdict)
{
	struct puppet_op *op = start_fault(verdict, PUPPET_SUSPEND);

	op->suspend = 7;
	expect_memory_exit();
	expect_fault_seen(op, 1);
	expect_memory_exit();
	expect_fault_seen(op, 2);
	ASSERT_EQ(kvm_run_planes(t.vm->run)->suspended_planes, 0);
	write_allowed();
}

static void fault_passed(enum test_how how)
{
	fault_to_user(KVM_PLANE_PASS);
}

static void fault_user(enum test_how how)
{
	fault_to_user(KVM_PLANE_USER);
}

static void fault_resumed(enum test_how how)
{
	struct puppet_op *op = start_fault(KVM_PLANE_RESUME, 0);

	op->times = 5;
	expect_memory_exit();
	expect_fault_seen(op, 6);
	write_allowed();
}

static void fault_injected(enum test_how how)
{
	struct puppet_op *op = start_fault(KVM_PLANE_RESUME, PUPPET_INJECT);

	op->exception = X86_GP;
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	expect_fault_seen(op, 1);
	ASSERT_EQ(data[3], 1);
	write_allowed();
}

static void fault_switched(enum test_how how)
{
	struct puppet_op *op = start_fault(KVM_PLANE_SWITCH, 0);
	int i;

	switch_to(op, 1);
	puppet_let(1, puppet_write, VALUE + 1, 0, 0, (unsigned long)&data[4]);
	for (i = 1; i <= 3; i++) {
		data[4] = 0;
		expect_switch(1);
		expect_fault_seen(op, i);
		ASSERT_EQ(data[4], VALUE + 1);
		ASSERT_EQ(data[3], 1);
	}
	ASSERT_EQ(puppet_stat(&t, "plane_switch_memory_fault"), 3);
	kvm_run_planes(t.vm->run)->suspended_planes = 0;
	write_allowed();
}

/* KVM_TRANSLATE through page tables that plane 1 may not read is no access that plane 1 makes. */
static void fault_of_nobody(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HYPERCALL, KVM_PLANE_SWITCH, PUPPET_SKIP);
	struct kvm_memory_attributes attrs = { .size = 4096, .attributes = NONE };
	struct kvm_translation translation = { .linear_address = (unsigned long)data };
	struct kvm_sregs sregs;

	switch_to(op, 1);
	vm_ioctl(t.vm->vcpu[1], KVM_GET_SREGS, &sregs);
	attrs.address = sregs.cr3;
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);
	vm_ioctl(t.vm->vcpu[1], KVM_TRANSLATE, &translation);
	ASSERT(!translation.valid);
	attrs.attributes = 0;
	vm_ioctl(t.vm->plane[1], KVM_SET_MEMORY_ATTRIBUTES, &attrs);

	puppet_let(0, guest_hypercall_insn, 0, 0, 0, 0);
	puppet_let(1, guest_hypercall_insn + 3, 0, 0, 0, 0);
	expect_switch(1);
	ASSERT_EQ(t.puppet->op[PUPPET_MEMORY_FAULT].calls, 0);
	puppet_end(&t);
}

static struct puppet_op *start_event(int verdict)
{
	struct puppet_op *op = start(PUPPET_EVENT, verdict, 0);

	puppet_let(0, puppet_wrmsr + 2, 0, 0, 0, 0);
	puppet_let(1, puppet_wrmsr + 2, 0, 0, 0, 0);
	puppet_send(&t, 1, VECTOR);
	return op;
}

static void event_passed(enum test_how how)
{
	struct puppet_op *op = start_event(KVM_PLANE_PASS);
	struct kvm_plane_event *event;

	puppet_turn(&t, 0);
	expect_seen(op, 1);
	ASSERT_EQ(op->seen.pending, 1U << 1);

	kvm_run_planes(t.vm->run)->req_exit_planes = 1U << 1 | 1U << 2;
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	expect_seen(op, 2);
	ASSERT_EQ(event->pending_event_planes, 1U << 1);
	ASSERT_EQ(event->target, 1);
	ASSERT(puppet_pending(&t, 1, VECTOR));
	puppet_end(&t);
}

static void event_resumed(enum test_how how)
{
	struct puppet_op *op = start_event(KVM_PLANE_RESUME);

	kvm_run_planes(t.vm->run)->req_exit_planes = 1U << 1;
	puppet_turn(&t, 0);
	expect_seen(op, 1);
	puppet_turn(&t, 0);
	expect_seen(op, 2);
	ASSERT(puppet_pending(&t, 1, VECTOR));
	puppet_end(&t);
}

static void event_switched(enum test_how how)
{
	struct puppet_op *op = start_event(KVM_PLANE_SWITCH);

	switch_to(op, PUPPET_TO_PENDING);
	expect_switch(1);
	expect_seen(op, 1);
	ASSERT_EQ(op->seen.pending, 1U << 1);
	ASSERT_EQ(puppet_stat(&t, "plane_switch_event"), 1);

	/* To plane 1 it is none of another one. */
	puppet_turn(&t, 1);
	ASSERT_EQ(op->calls, 1);
	puppet_end(&t);
}

static void event_to_user(enum test_how how)
{
	struct puppet_op *op = start_event(KVM_PLANE_USER);
	struct kvm_plane_event *event;

	puppet_send(&t, 2, VECTOR);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	ASSERT_EQ(event->pending_event_planes, 6);
	ASSERT_EQ(event->target, 1);
	expect_seen(op, 1);
	puppet_end(&t);
}

static void *send_soon(void *unused)
{
	usleep(30000);
	puppet_send(&t, 1, VECTOR);
	return unused;
}

/* An interrupt for plane 1 while plane 0 does something that it never ends. */
static void event_while(const void *insn)
{
	struct puppet_op *op = start(PUPPET_EVENT, KVM_PLANE_SWITCH, 0);
	pthread_t thread;

	switch_to(op, PUPPET_TO_PENDING);
	puppet_let(0, insn, 0, 0, 0, 0);
	puppet_let(1, puppet_wrmsr + 2, 0, 0, 0, 0);
	pthread_create(&thread, NULL, send_soon, NULL);
	expect_switch(1);
	pthread_join(thread, NULL);
	expect_seen(op, 1);
	ASSERT_EQ(t.puppet->op[PUPPET_HALT].calls > 0, insn == puppet_hlt);
	puppet_end(&t);
}

static void event_while_running(enum test_how how)
{
	event_while(spin);
}

static void event_while_halted(enum test_how how)
{
	event_while(puppet_hlt);
}

/* Plane 1 is switched to, and is halted: the event of plane 2 is not forgotten over that. */
static void event_of_a_third(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_EVENT, KVM_PLANE_SWITCH, 0);
	struct puppet_op *halt = &t.puppet->op[PUPPET_HALT];
	int i;

	halt->verdict = KVM_PLANE_USER;
	puppet_let(1, puppet_hlt, 0, 0, 0, 0);
	puppet_event(&t, 1, KVM_PLANE_EVENT_HALT);

	halt->verdict = KVM_PLANE_PASS;
	op->asks = PUPPET_SWITCH;
	op->target = PUPPET_TO_PENDING;
	/* When plane 2 runs, that of plane 1 is one of another plane again. */
	op->times = 2;
	puppet_let(0, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_let(2, puppet_hlt + 1, 0, 0, 0, 0);
	for (i = 0; i < 3; i++) {
		puppet_turn(&t, 0);
		op->calls = 0;
		puppet_send(&t, 1, VECTOR);
		puppet_send(&t, 2, VECTOR);
		kvm_run_planes(t.vm->run)->plane = 0;
		ASSERT_EQ(puppet_run(&t), 2);
		ASSERT_EQ(op->seen.plane, 2);
		ASSERT_EQ(op->seen.pending, 1U << 1);
		ASSERT_EQ(op->calls, 3);
		lapic_drop_interrupts(t.vm->vcpu[1]);
		lapic_drop_interrupts(t.vm->vcpu[2]);
	}
	puppet_end(&t);
}

static void halt_switched(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HALT, KVM_PLANE_SWITCH, 0);

	switch_to(op, 1);
	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	expect_switch(1);
	expect_seen(op, 1);
	/* It is halted still. */
	expect_switch(1);
	expect_seen(op, 2);
	ASSERT_EQ(puppet_stat(&t, "plane_switch_halt"), 2);

	op->verdict = KVM_PLANE_RESUME;
	puppet_turn(&t, 0);
	expect_seen(op, 3);
	puppet_expect_no_fault(0);
	puppet_end(&t);
}

static void halt_resumed(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HALT, KVM_PLANE_RESUME, 0);
	int i;

	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	for (i = 1; i <= 3; i++) {
		puppet_turn(&t, 0);
		expect_seen(op, i);
	}
	puppet_end(&t);
}

static void *nmi_soon(void *unused)
{
	usleep(30000);
	msi_send(t.vm->fd, MSI_NMI);
	return unused;
}

static void halt_passed(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HALT, KVM_PLANE_PASS, 0);
	pthread_t thread;

	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	pthread_create(&thread, NULL, nmi_soon, NULL);
	puppet_turn(&t, 0);
	pthread_join(thread, NULL);
	ASSERT_EQ(guest_faults[0].vector, X86_NMI);
	ASSERT_EQ(guest_faults[0].rip, puppet_in[0].rip + 1);
	ASSERT(op->calls >= 1);
	puppet_end(&t);
}

static void halt_to_user(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HALT, KVM_PLANE_USER, 0);
	struct kvm_plane_event *event;

	puppet_let(0, puppet_hlt, 0, 0, 0, 0);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_HALT);
	ASSERT_EQ(event->pending_event_planes, 0);
	puppet_send(&t, 2, VECTOR);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_HALT);
	ASSERT_EQ(event->pending_event_planes, 1U << 2);
	expect_seen(op, 2);
	op->verdict = KVM_PLANE_RESUME;
	puppet_turn(&t, 0);
	puppet_end(&t);
}

static void hypercall_to_user(enum test_how how)
{
	struct puppet_op *op = start(PUPPET_HYPERCALL, KVM_PLANE_USER,
				     PUPPET_SKIP | PUPPET_WRITE_REGS);
	struct kvm_plane_event *event;

	puppet_let(0, guest_hypercall_insn, VALUE, 0, 1, 0);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_HYPERCALL);
	ASSERT_EQ(event->extra, (unsigned long)guest_hypercall_insn);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RAX], VALUE);
	ASSERT_EQ(puppet_out[0].gpr[RDX], 1);
	expect_seen(op, 1);
	ASSERT_EQ(op->seen.regs[RAX], VALUE);
	ASSERT_EQ(op->seen.abi, KVM_PLANE_ABI_KVM);
	puppet_end(&t);
}

const struct test tests[] = {
	TEST("a policy answers a write to an MSR that it claims", wrmsr_answered),
	TEST("a policy answers a read of an MSR that it claims", rdmsr_answered),
	TEST("an access to an MSR that it passes on is KVM's", msr_passed),
	TEST("an access to an MSR can switch planes", msr_switched),
	TEST("an access to an MSR that it leaves to userspace has not been made", msr_to_user),
	TEST("a policy sees no access to an MSR that it does not claim", msr_unclaimed),
	TEST("an exception is raised at the instruction, and counted", refused),
	TEST("a memory fault that is passed on exits to userspace", fault_passed),
	TEST("a memory fault that is left to userspace exits as if it were passed on", fault_user),
	TEST("a memory fault that is resumed is made again", fault_resumed),
	TEST("a memory fault can end with an exception", fault_injected),
	TEST("a memory fault can switch planes, and the access waits", fault_switched),
	TEST("a plane that is switched to has no memory fault that it did not cause",
	     fault_of_nobody),
	TEST("an event that is passed on exits if userspace asked for that", event_passed),
	TEST("an event at which a policy resumes does not exit, and stays pending", event_resumed),
	TEST("an event can switch planes", event_switched),
	TEST("an event that is left to userspace exits", event_to_user),
	TEST("an event switches planes while the other one runs", event_while_running),
	TEST("an event switches planes while the other one is halted", event_while_halted),
	TEST("an event is not forgotten when another one switches to a plane that is halted",
	     event_of_a_third),
	TEST("a plane that halts can be switched, and stays halted", halt_switched),
	TEST("a plane that halts can be resumed", halt_resumed),
	TEST("a plane whose halt is passed on waits", halt_passed),
	TEST("a halt that is left to userspace exits, and tells what is pending", halt_to_user),
	TEST("a hypercall that is left to userspace has its registers untouched",
	     hypercall_to_user),
	{ }
};
