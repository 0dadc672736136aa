// SPDX-License-Identifier: GPL-2.0
/*
 * VMGEXIT, which is VMMCALL with a REP prefix: when it exits to userspace, what userspace can
 * answer, and what a policy sees of it. And the GHCB MSR, which a guest has that uses it.
 *
 * The instruction after it tells where it went on: LEA 0(%RIP), %RBX; RET
 */
#include <sys/ioctl.h>

#include "puppet_test.h"

#define MSR_GHCB	0xc0010130
#define X86_DB		1
#define RAX_VALUE	0x1234
#define KVM_ENOSYS	1000		/* <linux/kvm_para.h>: no such hypercall */
#define VALUE		0x1122334455667788ULL

#define VMGEXIT		"\xf3\x0f\x01\xd9"
#define VMMCALL		"\x0f\x01\xd9"

static const __u8 lea_ret[] = { 0x48, 0x8d, 0x1d, 0, 0, 0, 0, 0xc3 };
#define LEA_SIZE	7

static struct puppet_test t;
static struct puppet_op *op;
static __u8 code[2 * 4096] __attribute__((aligned(4096)));
static __u8 *insn;

static void exit_for(__u64 what, __u64 first, __u64 last)
{
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_PLANE, what, first, last), 0);
}

static void create(void)
{
	puppet_create(&t, 2);
	if (guest_hypercall_insn[2] != 0xd9)
		skip("no VMMCALL");
}

/* With a policy that returns @verdict */
static void start(int verdict, __u32 asks)
{
	puppet_start(&t, 2);
	if (guest_hypercall_insn[2] != 0xd9)
		skip("no VMMCALL");
	op = &t.puppet->op[PUPPET_HYPERCALL];
	op->verdict = verdict;
	op->asks = asks;
}

/* At its next turn plane 0 executes these bytes, @offset from the start of a page. */
static void let_at(int offset, const char *bytes)
{
	insn = code + offset;
	memcpy(insn, bytes, strlen(bytes));
	memcpy(insn + strlen(bytes), lea_ret, sizeof(lea_ret));
	puppet_let(0, insn, RAX_VALUE, 0, 0, 0);
}

static void let(const char *bytes)
{
	let_at(0, bytes);
}

static struct kvm_plane_event *expect_exit(__u8 cause)
{
	struct kvm_plane_event *event = puppet_event(&t, 0, cause);
	struct kvm_regs regs;

	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(event->flags, 0);
	ASSERT_EQ(event->extra, (unsigned long)insn);
	ASSERT_EQ(event->pending_event_planes, 0);
	ASSERT_EQ(regs.rip, (unsigned long)insn + 4);
	ASSERT_EQ(regs.rax, RAX_VALUE);
	return event;
}

/* It ends, @size bytes further, with this in RAX. */
static void expect_end(int size, __u64 rax)
{
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RAX], rax);
	ASSERT_EQ(puppet_out[0].gpr[RBX], (unsigned long)insn + size + LEA_SIZE);
}

static void expect_hypercall(const char *bytes)
{
	let(bytes);
	expect_end(strlen(bytes), -KVM_ENOSYS);
}

static void exits(enum test_how how)
{
	create();
	expect_hypercall(VMGEXIT);
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	expect_hypercall(VMMCALL);
	expect_hypercall("\x66" VMMCALL);
	expect_hypercall("\x2e" VMMCALL);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	exit_for(0, 0, 0);
	expect_hypercall(VMGEXIT);
	puppet_free(&t);
}

/* Whatever is in RAX; a VMMCALL exits if that is in the range. */
static void range(enum test_how how)
{
	create();
	exit_for(KVM_PLANE_EXIT_VMGEXIT | KVM_PLANE_EXIT_HYPERCALL, 1, 2);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	expect_hypercall(VMMCALL);
	exit_for(KVM_PLANE_EXIT_VMGEXIT | KVM_PLANE_EXIT_HYPERCALL, RAX_VALUE, RAX_VALUE);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	let(VMMCALL);
	puppet_event(&t, 0, KVM_PLANE_EVENT_HYPERCALL);
	expect_end(3, RAX_VALUE);
	puppet_free(&t);
}

static void answers(enum test_how how)
{
	create();
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT)->flags = KVM_PLANE_HYPERCALL_PASS;
	expect_end(4, -KVM_ENOSYS);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT)->flags = KVM_PLANE_HYPERCALL_UD;
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_UD);

	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT)->flags = KVM_PLANE_HYPERCALL_UD;
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	puppet_turn(&t, 1);
	expect_end(4, RAX_VALUE);
	puppet_free(&t);
}

static void pages(enum test_how how)
{
	int offset;

	create();
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	for (offset = 4096 - 5; offset <= 4096; offset++) {
		let_at(offset, VMGEXIT);
		expect_exit(KVM_PLANE_EVENT_VMGEXIT);
		expect_end(4, RAX_VALUE);
		let_at(offset, VMMCALL);
		expect_end(3, -KVM_ENOSYS);
	}
	puppet_free(&t);
}

/* Nothing can follow there but an exception. */
static void let_user(void)
{
	let(VMGEXIT "\x0f\x0b");
	puppet_in[0].cs = GUEST_USER_CS;
	puppet_in[0].ss = GUEST_USER_DS;
}

static void expect_user(__u64 rax)
{
	puppet_turn(&t, 0);
	ASSERT_EQ(guest_faults[0].vector, X86_UD);
	ASSERT_EQ(guest_faults[0].rip, (unsigned long)insn + 4);
	ASSERT_EQ(puppet_out[0].gpr[RAX], rax);
}

static void user_mode(enum test_how how)
{
	create();
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	let_user();
	expect_user(-(__u64)EPERM);
	puppet_free(&t);

	start(KVM_PLANE_RESUME, PUPPET_SKIP);
	let_user();
	expect_user(RAX_VALUE);
	ASSERT_EQ(op->seen.vmgexit, 1);
	ASSERT_EQ(op->seen.cpl, 3);
	puppet_end(&t);
}

static void let_32bit(void)
{
	let(VMGEXIT);
	insn[4] = 0xea;			/* ljmp $GUEST_CS, $insn + 11 */
	*(__u32 *)(insn + 5) = (unsigned long)insn + 11;
	*(__u16 *)(insn + 9) = GUEST_CS;
	memcpy(insn + 11, lea_ret, sizeof(lea_ret));
	puppet_in[0].cs = GUEST_CS_32;
}

static void mode_32bit(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_SKIP);
	let_32bit();
	expect_end(11, RAX_VALUE);
	ASSERT_EQ(op->seen.vmgexit, 1);
	ASSERT_EQ(op->seen.mode, KVM_PLANE_MODE_32BIT);

	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	op->verdict = KVM_PLANE_PASS;
	let_32bit();
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(11, RAX_VALUE);
	puppet_end(&t);
}

/* At the start of the low memory */
static void enter_real_mode(void)
{
	const struct kvm_segment data = {
		.limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};
	struct kvm_regs regs = { .rflags = X86_RFLAGS_FIXED, .rax = RAX_VALUE };
	struct kvm_sregs sregs;

	memcpy(t.vm->low, VMGEXIT "\xf4", 5);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_SREGS, &sregs);
	sregs.cr0 = 1 << 4;		/* CR0.ET */
	sregs.cr4 = 0;
	sregs.efer = 0;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cs = data;
	sregs.cs.type = 11;
	sregs.cs.selector = VMM_LOW_GPA >> 4;
	sregs.cs.base = VMM_LOW_GPA;
	vm_ioctl(t.vm->vcpu[0], KVM_SET_SREGS, &sregs);
	vm_ioctl(t.vm->vcpu[0], KVM_SET_REGS, &regs);
}

static void expect_real_mode(void)
{
	struct kvm_regs regs;

	enter_real_mode();
	ASSERT_EQ(puppet_event(&t, 0, KVM_PLANE_EVENT_VMGEXIT)->extra, 0);
	vm_ioctl(t.vm->vcpu[0], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, 4);
	ASSERT_EQ(regs.rax, RAX_VALUE);
}

static void real_mode(enum test_how how)
{
	create();
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	expect_real_mode();
	puppet_free(&t);

	start(KVM_PLANE_USER, 0);
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	expect_real_mode();
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(op->seen.vmgexit, 1);
	ASSERT_EQ(op->seen.mode, KVM_PLANE_MODE_REAL);
	puppet_end(&t);
}

static void expect_seen(const char *bytes, int offset, bool vmgexit)
{
	op->calls = 0;
	let_at(offset, bytes);
	expect_end(strlen(bytes), RAX_VALUE);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(op->seen.vmgexit, vmgexit);
	ASSERT_EQ(op->seen.cpl, 0);
}

/* In the exit fast path; and where that cannot see the instruction, or the guest is stepped. */
static void seen(enum test_how how)
{
	int i;

	start(KVM_PLANE_RESUME, PUPPET_SKIP);
	for (i = 0; i < 2; i++) {
		expect_seen(VMGEXIT, 0, true);
		expect_seen(VMMCALL, 0, false);
		expect_seen("\x66" VMMCALL, 0, false);
		expect_seen(VMGEXIT, 4096 - 2, true);
		expect_seen(VMMCALL, 4096 - 1, false);
		expect_seen(VMMCALL, 4096 - 3, false);
		expect_seen("\x2e" VMMCALL, 0, false);
	}
	let(VMGEXIT);
	puppet_in[0].rflags |= X86_RFLAGS_TF;
	puppet_turn(&t, 0);
	ASSERT_EQ(guest_faults[0].vector, X86_DB);
	ASSERT_EQ(guest_faults[0].rip, (unsigned long)insn + 4);
	ASSERT_EQ(op->seen.vmgexit, 1);
	puppet_end(&t);
}

static void verdicts(enum test_how how)
{
	start(KVM_PLANE_PASS, 0);
	expect_hypercall(VMGEXIT);
	exit_for(KVM_PLANE_EXIT_VMGEXIT, 0, 0);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	expect_hypercall(VMMCALL);

	op->verdict = KVM_PLANE_USER;
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_VMGEXIT);
	expect_end(4, RAX_VALUE);
	let(VMMCALL);
	puppet_event(&t, 0, KVM_PLANE_EVENT_HYPERCALL);
	expect_end(3, RAX_VALUE);
	/* A VMM that has not heard of VMGEXIT is told of a hypercall. */
	exit_for(0, 0, 0);
	let(VMGEXIT);
	expect_exit(KVM_PLANE_EVENT_HYPERCALL);
	expect_end(4, RAX_VALUE);

	op->verdict = KVM_PLANE_RESUME;
	op->asks = PUPPET_INJECT;
	op->exception = X86_UD;
	let(VMGEXIT);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_UD);

	op->verdict = KVM_PLANE_SWITCH;
	op->asks = PUPPET_SWITCH | PUPPET_SKIP;
	op->target = 1;
	let(VMGEXIT);
	puppet_let(1, puppet_hlt + 1, 0, 0, 0, 0);
	kvm_run_planes(t.vm->run)->plane = 0;
	ASSERT_EQ(puppet_run(&t), 1);
	expect_end(4, RAX_VALUE);
	puppet_end(&t);
}

/* The GHCB MSR, in a VM with planes and in one without */

static void let_ghcb(const void *access)
{
	puppet_let(0, access, (__u32)VALUE, MSR_GHCB, VALUE >> 32, 0);
}

static void no_ghcb(int nr_planes)
{
	puppet_create(&t, nr_planes);
	let_ghcb(puppet_rdmsr);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	let_ghcb(puppet_wrmsr);
	puppet_turn(&t, 0);
	puppet_expect_fault(0, X86_GP);
	puppet_free(&t);
}

static void ghcb_to_user(int nr_planes)
{
	puppet_create(&t, nr_planes);
	ASSERT_EQ(vm_enable_cap(t.vm->fd, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_UNKNOWN,
				0, 0), 0);
	let_ghcb(puppet_wrmsr);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_X86_WRMSR);
	ASSERT_EQ(t.vm->run->msr.index, MSR_GHCB);
	ASSERT_EQ(t.vm->run->msr.data, VALUE);
	t.vm->run->msr.error = 0;
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);

	let_ghcb(puppet_rdmsr);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_X86_RDMSR);
	ASSERT_EQ(t.vm->run->msr.index, MSR_GHCB);
	t.vm->run->msr.data = ~VALUE;
	t.vm->run->msr.error = 0;
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
	ASSERT_EQ(puppet_out[0].gpr[RDX] << 32 | puppet_out[0].gpr[RAX], ~VALUE);
	puppet_free(&t);
}

static void no_ghcb_msr(enum test_how how)
{
	no_ghcb(1);
	no_ghcb(2);
}

static void ghcb_msr_to_user(enum test_how how)
{
	ghcb_to_user(1);
	ghcb_to_user(2);
}

const struct test tests[] = {
	TEST("VMGEXIT exits if userspace asked for it, and VMMCALL does not", exits),
	TEST("it does whatever its number, and hypercalls in the range go on to", range),
	TEST("it is done, a hypercall of KVM's, or #UD, as userspace answers", answers),
	TEST("it exits at the end of a page and across two, too", pages),
	TEST("at CPL 3 it does not exit, and a policy sees it", user_mode),
	TEST("it exits, and a policy sees it, in 32-bit code", mode_32bit),
	TEST("it exits, and a policy sees it, in real mode", real_mode),
	TEST("a policy sees VMGEXIT, wherever it is, and what is none", seen),
	TEST("KVM does what the policy returns for it", verdicts),
	TEST("a guest has no GHCB MSR", no_ghcb_msr),
	TEST("userspace can emulate the GHCB MSR", ghcb_msr_to_user),
	{ }
};
