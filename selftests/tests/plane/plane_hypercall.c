// SPDX-License-Identifier: GPL-2.0
/*
 * Hypercalls that exit to userspace, and what it can answer. The guest does not
 * use Hyper-V's interface: the number is RAX.
 */
#include <sys/ioctl.h>

#include "test.h"
#include "vtl_guest.h"

#define FIRST		0x1000ULL
#define LAST		0x1010ULL
#define KVM_ENOSYS	1000		/* <linux/kvm_para.h>: no such hypercall */

static struct guest_regs in;
static struct guest_regs out;

/* A hypercall whenever the VMM lets it, with the registers that this gives it. */
static void make_hypercalls(void)
{
	guest_faults[guest_plane()].expected = true;
	for (;;) {
		guest_sync(0);
		guest_run(&in, &out);
	}
}

static struct vm *start(void)
{
	struct vm *vm = vm_create(2);

	vm_start(vm, 0, make_hypercalls);
	vm_start(vm, 1, make_hypercalls);
	if (vm_enable_cap(vm->fd, KVM_CAP_PLANE, KVM_PLANE_EXIT_HYPERCALL, FIRST, LAST))
		fail("KVM_CAP_PLANE: %s", strerror(errno));
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	return vm;
}

/* Run a hypercall up to its exit, or to its end. */
static __u32 hypercall(struct vm *vm, __u64 nr)
{
	in = vtl_hypercall_regs(0x5a5a, nr);
	in.gpr[RBX] = 0x1234;
	return vm_run(vm);
}

static void expect_exit(struct vm *vm, __u64 nr)
{
	const struct kvm_plane_event *event = kvm_run_plane_event(vm->run);
	struct kvm_regs regs;

	vm_ioctl(vm->vcpu[kvm_run_planes(vm->run)->plane], KVM_GET_REGS, &regs);
	ASSERT_EXIT(vm, KVM_EXIT_PLANE_EVENT);
	ASSERT_EQ(event->cause, KVM_PLANE_EVENT_HYPERCALL);
	ASSERT_EQ(event->flags, 0);
	ASSERT_EQ(event->extra, (unsigned long)guest_hypercall_insn);
	ASSERT_EQ(regs.rip, (unsigned long)guest_hypercall_insn + 3);
	ASSERT_EQ(regs.rax, nr);
	ASSERT_EQ(regs.rcx, 0x5a5a);
	ASSERT_EQ(regs.rbx, 0x1234);
}

/* Let the guest go on; the hypercall gave it @rax and left the rest alone. */
static void expect_result(struct vm *vm, __u64 rax)
{
	if (vm->run->exit_reason == KVM_EXIT_PLANE_EVENT)
		vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(out.gpr[RAX], rax);
	ASSERT_EQ(out.gpr[RCX], 0x5a5a);
	ASSERT_EQ(out.gpr[RBX], 0x1234);
	ASSERT_EQ(guest_faults[0].count, 0);
}

static void range(enum test_how how)
{
	struct vm *vm = start();

	hypercall(vm, FIRST - 1);
	expect_result(vm, -KVM_ENOSYS);
	hypercall(vm, LAST + 1);
	expect_result(vm, -KVM_ENOSYS);
	hypercall(vm, 1ULL << 32 | FIRST);
	expect_result(vm, -KVM_ENOSYS);
	hypercall(vm, FIRST);
	expect_exit(vm, FIRST);
	expect_result(vm, FIRST);
	hypercall(vm, LAST);
	expect_exit(vm, LAST);
	expect_result(vm, LAST);

	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE, 0, 0, 0), 0);
	hypercall(vm, FIRST);
	expect_result(vm, -KVM_ENOSYS);
	vm_free(vm);
}

static void done(enum test_how how)
{
	struct vm *vm = start();
	struct kvm_regs regs;

	hypercall(vm, FIRST);
	expect_exit(vm, FIRST);
	vm_ioctl(vm->vcpu[0], KVM_GET_REGS, &regs);
	regs.rax = 0x4321;
	vm_ioctl(vm->vcpu[0], KVM_SET_REGS, &regs);
	expect_result(vm, 0x4321);
	vm_free(vm);
}

static void pass(enum test_how how)
{
	struct vm *vm = start();
	int i;

	for (i = 0; i < 3; i++) {
		hypercall(vm, FIRST);
		expect_exit(vm, FIRST);
		kvm_run_plane_event(vm->run)->flags = KVM_PLANE_HYPERCALL_PASS;
		expect_result(vm, -KVM_ENOSYS);
	}
	vm_free(vm);
}

static void ud(enum test_how how)
{
	struct vm *vm = start();

	hypercall(vm, FIRST);
	expect_exit(vm, FIRST);
	kvm_run_plane_event(vm->run)->flags = KVM_PLANE_HYPERCALL_UD;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(guest_faults[0].count, 1);
	ASSERT_EQ(guest_faults[0].vector, X86_UD);
	ASSERT_EQ(guest_faults[0].rip, (unsigned long)guest_hypercall_insn);
	ASSERT_EQ(out.gpr[RAX], FIRST);
	vm_free(vm);
}

static void wrong_answer(enum test_how how)
{
	struct vm *vm = start();

	hypercall(vm, FIRST);
	expect_exit(vm, FIRST);
	kvm_run_plane_event(vm->run)->flags = 3;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINVAL);
	kvm_run_plane_event(vm->run)->flags = 1U << 31;
	ASSERT_ERRNO(ioctl(vm->vcpu[0], KVM_RUN, 0), EINVAL);
	kvm_run_plane_event(vm->run)->flags = KVM_PLANE_HYPERCALL_PASS;
	vm->run->exit_reason = KVM_EXIT_PLANE_EVENT;
	expect_result(vm, -KVM_ENOSYS);
	vm_free(vm);
}

/* Then the switch is the answer, whatever is in flags; and later the call is over. */
static void other_plane(enum test_how how)
{
	struct vm *vm = start();

	hypercall(vm, FIRST);
	expect_exit(vm, FIRST);
	kvm_run_plane_event(vm->run)->flags = KVM_PLANE_HYPERCALL_UD;
	kvm_run_planes(vm->run)->plane = 1;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(vm_guest_call(vm)->plane, 1);
	kvm_run_planes(vm->run)->plane = 0;
	vm_run(vm);
	expect_result(vm, FIRST);
	vm_free(vm);
}

/* At CPL 3 nothing can follow but an exception. */
extern char hypercall_ud2[], hypercall_ud2_end[];
asm(".pushsection .text\n"
	"hypercall_ud2:\n"
	"	call	guest_hypercall_insn\n"
	"hypercall_ud2_end:\n"
	"	ud2\n"
	".popsection\n");

static void user_mode(enum test_how how)
{
	struct vm *vm = start();

	in = vtl_hypercall_regs(0x5a5a, FIRST);
	in.cs = GUEST_USER_CS;
	in.ss = GUEST_USER_DS;
	in.rip = (unsigned long)hypercall_ud2;
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	ASSERT_EQ(guest_faults[0].count, 1);
	ASSERT_EQ(guest_faults[0].rip, (unsigned long)hypercall_ud2_end);
	ASSERT_EQ(out.gpr[RAX], -(__u64)EPERM);
	vm_free(vm);
}

const struct test tests[] = {
	TEST("hypercalls in the range exit, and no others", range),
	TEST("answered with 0, a hypercall is done", done),
	TEST("answered with PASS, a hypercall is KVM's", pass),
	TEST("answered with UD, a hypercall raises #UD", ud),
	TEST("an answer that is none is refused, and can be given again", wrong_answer),
	TEST("a switch to another plane is an answer, too", other_plane),
	TEST("a hypercall at CPL 3 does not exit", user_mode),
	{ }
};
