// SPDX-License-Identifier: GPL-2.0
/*
 * The op inject: a policy sees the interrupts and NMIs of the plane that runs before KVM injects
 * them. It has them wait, takes them and raises #HV, or leaves them to userspace; and none is
 * lost, and none comes twice.
 */
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "puppet_test.h"

POLICY(holds, "selftests/policies/holds.bpf.o");

#define VECTOR		0x50
#define HIGH_VECTOR	0x71
#define EXITS		100
#define HYPERCALLS	20000

static struct puppet_test t;
static struct puppet_op *op;

/* What the guest's handler saw, by plane and vector */
static __u32 taken[KVM_MAX_PLANES][256];
static __u64 taken_rbx;
static bool no_eoi;

static void on_irq(__u8 vector, const __u64 *gpr)
{
	taken[guest_plane()][vector]++;
	taken_rbx = gpr[RBX];
	if (vector != X86_NMI && !no_eoi)
		wrmsr(MSR_X2APIC_EOI, 0);
}

extern __u8 exits[], nops[], cr8_write[], in_loop[];
asm(".pushsection .text\n"
	"exits:\n"
	"	mov	$" GUEST_STR(EXITS) ", %r8d\n"
	"1:	xor	%eax, %eax\n"
	"	cpuid\n"
	"	dec	%r8d\n"
	"	jnz	1b\n"
	"	ret\n"
	"nops:\n"
	"	.fill	64, 1, 0x90\n"
	"	ret\n"
	"cr8_write:\n"
	"	mov	%rax, %cr8\n"
	"	nop\n"
	"	ret\n"
	"in_loop:\n"
	"	call	guest_hypercall_insn\n"
	"	inc	%rbx\n"
	"	cmp	$" GUEST_STR(HYPERCALLS) ", %rbx\n"
	"	jb	in_loop\n"
	"	ret\n"
	".popsection\n");

/* The op does this, and returns @verdict. */
static void tell(int verdict, __u32 asks)
{
	op->verdict = verdict;
	op->asks = asks;
	op->times = 0;
	op->calls = 0;
	op->exception = X86_HV;
}

static void start(int verdict, __u32 asks)
{
	int plane;

	guest_irq_handler = on_irq;
	puppet_start(&t, 2);
	for (plane = 0; plane < 2; plane++)
		lapic_enable_x2apic(t.vm->vcpu[plane]);
	op = &t.puppet->op[PUPPET_INJECTION];
	tell(verdict, asks);
}

static void let(int plane, const void *insn, __u64 rflags)
{
	puppet_let(plane, insn, 0, 0, 0, 0);
	puppet_in[plane].rflags |= rflags;
}

static void run(const void *insn, __u64 rflags)
{
	let(0, insn, rflags);
	puppet_turn(&t, 0);
	puppet_expect_no_fault(0);
}

static void expect_seen(__u8 injection, __u8 vector)
{
	ASSERT(op->calls);
	ASSERT_EQ(op->seen.plane, 0);
	ASSERT_EQ(op->seen.injection, injection);
	ASSERT_EQ(op->seen.vector, vector);
	ASSERT_EQ(op->seen.mode, KVM_PLANE_MODE_64BIT);
	ASSERT_EQ(op->seen.msr, 0);
}

static void send_extint(__u8 vector)
{
	struct kvm_interrupt interrupt = { .irq = vector };

	lapic_set(t.vm->vcpu[0], APIC_LVT0, APIC_LVT_EXTINT);
	vm_ioctl(t.vm->vcpu[0], KVM_INTERRUPT, &interrupt);
}

/* It comes with the next turn in which interrupts are on, once. */
static void expect_delivered(__u8 vector)
{
	__u32 before = taken[0][vector];

	run(nops, X86_RFLAGS_IF);
	ASSERT_EQ(taken[0][vector], before + 1);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(taken[0][vector], before + 1);
	ASSERT(!puppet_pending(&t, 0, vector));
	ASSERT(!lapic_in_isr(t.vm->vcpu[0], vector));
}

static void pass(enum test_how how)
{
	start(KVM_PLANE_PASS, 0);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(op->calls, 0);

	puppet_send(&t, 0, VECTOR);
	expect_delivered(VECTOR);
	expect_seen(KVM_PLANE_INJECT_IRQ, VECTOR);

	op->calls = 0;
	puppet_send(&t, 0, HIGH_VECTOR);
	run(exits, 0);
	expect_seen(KVM_PLANE_INJECT_IRQ, HIGH_VECTOR);
	ASSERT_EQ(taken[0][HIGH_VECTOR], 0);
	expect_delivered(HIGH_VECTOR);

	op->calls = 0;
	msi_send(t.vm->fd, MSI_NMI);
	run(exits, 0);
	expect_seen(KVM_PLANE_INJECT_NMI, 0);
	ASSERT_EQ(taken[0][X86_NMI], 1);

	op->calls = 0;
	send_extint(VECTOR);
	run(exits, 0);
	expect_seen(KVM_PLANE_INJECT_EXTINT, 0);
	ASSERT_EQ(taken[0][VECTOR], 1);
	expect_delivered(VECTOR);
	puppet_end(&t);
}

static void hold_one(__u8 vector, __u8 injection, __u64 rflags)
{
	__u32 before = taken[0][vector];

	tell(KVM_PLANE_RESUME, 0);
	run(exits, rflags);
	run(nops, rflags);
	expect_seen(injection, injection == KVM_PLANE_INJECT_IRQ ? vector : 0);
	/* It is asked after each exit, not only now and then. */
	ASSERT(op->calls >= EXITS);
	ASSERT_EQ(taken[0][vector], before);
	ASSERT_EQ(puppet_pending(&t, 0, vector), injection == KVM_PLANE_INJECT_IRQ);
	tell(KVM_PLANE_PASS, 0);
	expect_delivered(vector);
}

static void hold(enum test_how how)
{
	start(KVM_PLANE_RESUME, 0);
	puppet_send(&t, 0, VECTOR);
	hold_one(VECTOR, KVM_PLANE_INJECT_IRQ, X86_RFLAGS_IF);
	puppet_send(&t, 0, VECTOR);
	hold_one(VECTOR, KVM_PLANE_INJECT_IRQ, 0);
	msi_send(t.vm->fd, MSI_NMI);
	hold_one(X86_NMI, KVM_PLANE_INJECT_NMI, X86_RFLAGS_IF);
	send_extint(VECTOR);
	hold_one(VECTOR, KVM_PLANE_INJECT_EXTINT, X86_RFLAGS_IF);
	puppet_end(&t);
}

/* A higher one that comes later is asked for first; both come in the end, as does an NMI. */
static void hold_some(enum test_how how)
{
	start(KVM_PLANE_RESUME, 0);
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	expect_seen(KVM_PLANE_INJECT_IRQ, VECTOR);
	puppet_send(&t, 0, HIGH_VECTOR);
	run(exits, X86_RFLAGS_IF);
	expect_seen(KVM_PLANE_INJECT_IRQ, HIGH_VECTOR);
	msi_send(t.vm->fd, MSI_NMI);
	run(exits, X86_RFLAGS_IF);
	expect_seen(KVM_PLANE_INJECT_NMI, 0);
	ASSERT(puppet_pending(&t, 0, VECTOR));
	ASSERT(puppet_pending(&t, 0, HIGH_VECTOR));
	tell(KVM_PLANE_PASS, 0);
	run(nops, X86_RFLAGS_IF);
	ASSERT_EQ(taken[0][VECTOR], 1);
	ASSERT_EQ(taken[0][HIGH_VECTOR], 1);
	ASSERT_EQ(taken[0][X86_NMI], 1);
	puppet_end(&t);
}

/* #HV comes whether interrupts are on or not; the interrupt is in service from there on. */
static void take_one(__u64 rflags)
{
	__u32 before = taken[0][X86_HV];

	tell(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT);
	no_eoi = true;
	puppet_send(&t, 0, VECTOR);
	run(exits, rflags);
	expect_seen(KVM_PLANE_INJECT_IRQ, VECTOR);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(taken[0][X86_HV], before + 1);
	ASSERT(!puppet_pending(&t, 0, VECTOR));
	ASSERT(lapic_in_isr(t.vm->vcpu[0], VECTOR));

	/* Neither the next one, nor one that is lower, before the EOI */
	puppet_send(&t, 0, VECTOR);
	puppet_send(&t, 0, VECTOR - 1);
	run(exits, rflags);
	ASSERT_EQ(op->calls, 1);
	no_eoi = false;
	puppet_let(0, puppet_wrmsr, 0, MSR_X2APIC_EOI, 0, 0);
	puppet_turn(&t, 0);
	run(exits, rflags);
	ASSERT_EQ(op->calls, 3);
	expect_seen(KVM_PLANE_INJECT_IRQ, VECTOR - 1);
	ASSERT_EQ(taken[0][X86_HV], before + 3);
	ASSERT(!lapic_in_isr(t.vm->vcpu[0], VECTOR));
	ASSERT_EQ(taken[0][VECTOR], 0);
	ASSERT_EQ(taken[0][VECTOR - 1], 0);
}

static void take(enum test_how how)
{
	start(KVM_PLANE_PASS, 0);
	take_one(X86_RFLAGS_IF);
	take_one(0);
	/* It is no exit that the policy refused. */
	ASSERT_EQ(puppet_stat(&t, "plane_refused"), 0);
	puppet_end(&t);
}

static void take_nmi(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT);
	msi_send(t.vm->fd, MSI_NMI);
	run(exits, 0);
	expect_seen(KVM_PLANE_INJECT_NMI, 0);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(taken[0][X86_HV], 1);
	/* It did not make NMIs wait for an IRET. */
	msi_send(t.vm->fd, MSI_NMI);
	tell(KVM_PLANE_PASS, 0);
	run(exits, 0);
	ASSERT_EQ(taken[0][X86_HV], 1);
	ASSERT_EQ(taken[0][X86_NMI], 1);
	puppet_end(&t);
}

/* The plane does not hear of it, unless the policy says so in another way. */
static void take_silently(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_TAKE);
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(taken[0][VECTOR], 0);
	ASSERT_EQ(taken[0][X86_HV], 0);
	ASSERT(lapic_in_isr(t.vm->vcpu[0], VECTOR));
	puppet_end(&t);
}

static void take_and_pass(enum test_how how)
{
	start(KVM_PLANE_PASS, PUPPET_TAKE | PUPPET_INJECT);
	puppet_send(&t, 0, VECTOR);
	expect_delivered(VECTOR);
	ASSERT_EQ(taken[0][X86_HV], 0);
	puppet_end(&t);
}

/* One that is raised, at the same time, is another one. */
static void take_and_raise(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT | PUPPET_RAISE_IRQ);
	op->vector = VECTOR;
	op->times = 1;
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(taken[0][X86_HV], 1);
	ASSERT_EQ(taken[0][VECTOR], 1);
	puppet_end(&t);
}

static void set_tpr(__u64 tpr)
{
	puppet_let(0, cr8_write, tpr, 0, 0, 0);
	puppet_in[0].rflags |= X86_RFLAGS_IF;
	puppet_turn(&t, 0);
}

static void tpr(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT);
	set_tpr(VECTOR >> 4);
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(op->calls, 0);
	puppet_send(&t, 0, HIGH_VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(op->calls, 1);
	expect_seen(KVM_PLANE_INJECT_IRQ, HIGH_VECTOR);
	ASSERT(puppet_pending(&t, 0, VECTOR));
	set_tpr((VECTOR >> 4) - 1);
	ASSERT_EQ(op->calls, 2);
	ASSERT_EQ(taken[0][X86_HV], 2);
	puppet_end(&t);
}

static void user(enum test_how how)
{
	struct kvm_plane_event *event;
	int i;

	start(KVM_PLANE_USER, 0);
	puppet_send(&t, 0, VECTOR);
	let(0, nops, X86_RFLAGS_IF);
	for (i = 1; i < 4; i++) {
		event = puppet_event(&t, 0, KVM_PLANE_EVENT_INJECT);
		ASSERT_EQ(event->target, 0);
		ASSERT_EQ(event->pending_event_planes, 0);
		ASSERT_EQ(op->calls, i);
		ASSERT_EQ(taken[0][VECTOR], 0);
	}
	/* Another plane may run in between, and has none. */
	let(1, nops, X86_RFLAGS_IF);
	puppet_turn(&t, 1);
	ASSERT_EQ(op->calls, i - 1);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INJECT);
	puppet_send(&t, 1, VECTOR);
	event = puppet_event(&t, 0, KVM_PLANE_EVENT_INJECT);
	ASSERT_EQ(event->pending_event_planes, 2);
	tell(KVM_PLANE_PASS, 0);
	puppet_turn(&t, 0);
	ASSERT_EQ(taken[0][VECTOR], 1);
	puppet_end(&t);
}

/* Ejected, and the interrupt comes as it does without a policy. */
static void broken(int verdict, __u32 asks, __u32 exception, __u32 kind, __s64 code)
{
	memset(taken, 0, sizeof(taken));
	start(verdict, asks);
	op->exception = exception;
	op->target = 1;
	puppet_send(&t, 0, VECTOR);
	expect_delivered(VECTOR);
	ASSERT_EQ(taken[0][X86_HV], 0);
	puppet_expect_ejected(&t, kind, code);
	puppet_free(&t);
}

static void rules(enum test_how how)
{
	broken(KVM_PLANE_SWITCH, PUPPET_SWITCH, 0, KVM_PLANE_EJECT_VERDICT, KVM_PLANE_SWITCH);
	broken(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT, X86_UD, KVM_PLANE_EJECT_EXCEPTION,
	       X86_UD);
	broken(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT, VECTOR, KVM_PLANE_EJECT_EXCEPTION,
	       VECTOR);
	broken(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_SKIP, 0, KVM_PLANE_EJECT_INSN, -1);
	broken(17, PUPPET_TAKE, 0, KVM_PLANE_EJECT_VERDICT, 17);
}

static void take_extint(enum test_how how)
{
	start(KVM_PLANE_RESUME, PUPPET_TAKE);
	send_extint(VECTOR);
	expect_delivered(VECTOR);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_TAKE, KVM_PLANE_INJECT_EXTINT);
	puppet_free(&t);
}

static void take_elsewhere(enum test_how how)
{
	start(KVM_PLANE_PASS, 0);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	tell(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_SKIP);
	run(guest_hypercall_insn, 0);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_TAKE, 0);
	puppet_free(&t);

	start(KVM_PLANE_PASS, 0);
	op = &t.puppet->op[PUPPET_HYPERCALL];
	tell(KVM_PLANE_RESUME, PUPPET_INJECT);
	run(guest_hypercall_insn, 0);
	puppet_expect_ejected(&t, KVM_PLANE_EJECT_EXCEPTION, X86_HV);
	puppet_free(&t);
}

/* Hypercalls that are answered, or switch planes, in the exit fast path */
static void hypercalls(int verdict)
{
	struct puppet_op *hypercall = &t.puppet->op[PUPPET_HYPERCALL];

	hypercall->verdict = verdict;
	hypercall->asks = PUPPET_SKIP | (verdict == KVM_PLANE_SWITCH ? PUPPET_SWITCH : 0);
	hypercall->target = PUPPET_TO_OTHER;
}

/* The op passes the interrupt on when it is asked for the 50th time. */
static void not_starved(int verdict)
{
	start(KVM_PLANE_RESUME, 0);
	op->times = 50;
	hypercalls(verdict);
	puppet_send(&t, 0, VECTOR);
	let(0, in_loop, X86_RFLAGS_IF);
	let(1, in_loop, X86_RFLAGS_IF);
	kvm_run_planes(t.vm->run)->plane = 0;
	puppet_run(&t);
	ASSERT_EQ(taken[0][VECTOR], 1);
	ASSERT(op->calls > 50);
	ASSERT(taken_rbx);
	ASSERT(taken_rbx <= 60);
	puppet_end(&t);
}

static void fast_path(enum test_how how)
{
	not_starved(KVM_PLANE_RESUME);
	memset(taken, 0, sizeof(taken));
	not_starved(KVM_PLANE_SWITCH);
}

/* While it waits in one plane, another one has its own. */
static void planes(enum test_how how)
{
	struct puppet_op *event;

	start(KVM_PLANE_RESUME, 0);
	event = &t.puppet->op[PUPPET_EVENT];
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(event->calls, 0);

	let(1, exits, X86_RFLAGS_IF);
	op->calls = 0;
	puppet_turn(&t, 1);
	ASSERT_EQ(op->calls, 0);
	ASSERT(event->calls);
	ASSERT_EQ(event->seen.pending, 1);
	ASSERT(puppet_pending(&t, 0, VECTOR));

	hypercalls(KVM_PLANE_SWITCH);
	let(0, in_loop, X86_RFLAGS_IF);
	let(1, in_loop, X86_RFLAGS_IF);
	kvm_run_planes(t.vm->run)->plane = 0;
	puppet_run(&t);
	ASSERT(op->calls >= HYPERCALLS);
	ASSERT_EQ(taken[0][VECTOR], 0);
	ASSERT(puppet_pending(&t, 0, VECTOR));

	tell(KVM_PLANE_PASS, 0);
	let(1, nops, X86_RFLAGS_IF);
	puppet_send(&t, 1, HIGH_VECTOR);
	puppet_turn(&t, 1);
	ASSERT_EQ(taken[1][HIGH_VECTOR], 1);
	ASSERT_EQ(taken[0][VECTOR], 0);
	expect_delivered(VECTOR);
	ASSERT_EQ(taken[1][VECTOR], 0);
	puppet_end(&t);
}

static void debug(__u32 control)
{
	struct kvm_guest_debug dbg = { .control = control };

	vm_ioctl(t.vm->vcpu[0], KVM_SET_GUEST_DEBUG, &dbg);
}

#define STEP	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP)

static __u64 step(__u32 control)
{
	debug(control);
	ASSERT_EQ(puppet_exit(&t, 0), KVM_EXIT_DEBUG);
	return t.vm->run->debug.arch.pc;
}

static void step_to(__u64 rip, __u32 control)
{
	int i;

	for (i = 0; step(control) != rip; i++)
		ASSERT(i < 1000);
}

/* A debugger that steps through the guest sees the instructions, and then the handler of #HV. */
static void stepped(enum test_how how)
{
	int i;

	start(KVM_PLANE_RESUME, 0);
	puppet_send(&t, 0, VECTOR);
	let(0, nops, X86_RFLAGS_IF);
	step_to((unsigned long)nops, STEP);
	for (i = 1; i < 8; i++) {
		op->calls = 0;
		ASSERT_EQ(step(STEP), (unsigned long)nops + i);
		ASSERT(op->calls);
	}
	tell(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT);
	step_to((unsigned long)nops + i, STEP);
	ASSERT_EQ(op->calls, 1);
	debug(0);
	puppet_turn(&t, 0);
	ASSERT_EQ(taken[0][X86_HV], 1);
	ASSERT_EQ(taken[0][VECTOR], 0);
	puppet_end(&t);
}

/* Nor may a policy interrupt it then. */
static void irqs_blocked(enum test_how how)
{
	int i;

	start(KVM_PLANE_PASS, 0);
	let(0, nops, X86_RFLAGS_IF);
	step_to((unsigned long)nops, STEP);
	tell(KVM_PLANE_RESUME, PUPPET_TAKE | PUPPET_INJECT);
	puppet_send(&t, 0, VECTOR);
	for (i = 1; i < 8; i++)
		ASSERT_EQ(step(STEP | KVM_GUESTDBG_BLOCKIRQ), (unsigned long)nops + i);
	ASSERT_EQ(op->calls, 0);
	debug(0);
	puppet_turn(&t, 0);
	ASSERT_EQ(op->calls, 1);
	ASSERT_EQ(taken[0][X86_HV], 1);
	puppet_end(&t);
}

static void *send_later(void *plane)
{
	usleep(100000);
	puppet_send(&t, (unsigned long)plane, VECTOR);
	return NULL;
}

/* HLT ends with an interrupt that could be injected, held or not. */
static void halt(enum test_how how)
{
	struct kvm_mp_state state;
	pthread_t thread;

	start(KVM_PLANE_RESUME, 0);
	pthread_create(&thread, NULL, send_later, NULL);
	run(puppet_hlt, X86_RFLAGS_IF);
	pthread_join(thread, NULL);
	expect_seen(KVM_PLANE_INJECT_IRQ, VECTOR);
	run(puppet_hlt, X86_RFLAGS_IF);
	ASSERT_EQ(taken[0][VECTOR], 0);
	ASSERT(puppet_pending(&t, 0, VECTOR));

	/* With interrupts off it waits; here, until another plane has one. */
	pthread_create(&thread, NULL, send_later, (void *)1UL);
	kvm_run_planes(t.vm->run)->req_exit_planes = 2;
	let(0, puppet_hlt, 0);
	puppet_event(&t, 0, KVM_PLANE_EVENT_INTERRUPT);
	pthread_join(thread, NULL);
	kvm_run_planes(t.vm->run)->req_exit_planes = 0;
	vm_ioctl(t.vm->vcpu[0], KVM_GET_MP_STATE, &state);
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_HALTED);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	vm_ioctl(t.vm->vcpu[0], KVM_SET_MP_STATE, &state);
	tell(KVM_PLANE_PASS, 0);
	puppet_turn(&t, 0);
	expect_delivered(VECTOR);
	puppet_end(&t);
}

/* System management mode; APM volume 2, "SMBASE register": the handler is at 0x8000 from there. */
#define SMRAM_GPA	0x30000
#define SMRAM_SIZE	0x10000
#define SMRAM_SLOT	(1 << 16)	/* the first one of memory as it is in SMM */
#define SMI_HANDLER	0x8000
#define SMI_SEEN	0x7000

static const __u8 smi_handler[] = {
	0x2e, 0xc6, 0x06, SMI_SEEN & 0xff, SMI_SEEN >> 8, 1,	/* movb $1, %cs:SMI_SEEN */
	0x0f, 0xaa,						/* rsm */
};

static __u8 *add_smram(void)
{
	__u8 *smram = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = SMRAM_SLOT,
		.guest_phys_addr = SMRAM_GPA,
		.memory_size = SMRAM_SIZE,
		.userspace_addr = (unsigned long)smram,
	};

	ASSERT(smram != MAP_FAILED);
	memcpy(smram + SMI_HANDLER, smi_handler, sizeof(smi_handler));
	vm_ioctl(t.vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	return smram;
}

static void smi(enum test_how how)
{
	__u8 *smram;

	start(KVM_PLANE_RESUME, 0);
	if (!ioctl(t.vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_SMM))
		skip("no SMM");
	smram = add_smram();
	puppet_send(&t, 0, VECTOR);
	run(exits, X86_RFLAGS_IF);
	ASSERT(op->calls);
	vm_ioctl(t.vm->vcpu[0], KVM_SMI, 0);
	run(exits, X86_RFLAGS_IF);
	ASSERT_EQ(smram[SMI_SEEN], 1);
	ASSERT_EQ(taken[0][VECTOR], 0);
	tell(KVM_PLANE_PASS, 0);
	expect_delivered(VECTOR);
	puppet_end(&t);
}

/* A vCPU that is in KVM_RUN since before there was a plane, and the policy */
static volatile bool spins;

static void spin(void)
{
	asm volatile("sti");
	spins = true;
	while (!*(volatile __u32 *)&taken[0][VECTOR])
		asm volatile("pause");
	guest_done();
}

static void *run_vm(void *vm)
{
	vm_run(vm);
	ASSERT(vm_guest_call(vm));
	return NULL;
}

static void late(enum test_how how)
{
	struct policy policy;
	struct timespec end;
	pthread_t thread;
	struct vm *vm;

	guest_irq_handler = on_irq;
	ASSERT_EQ(policy_load(&policy, &policy_holds), 0);
	vm = vm_create(1);
	vm_start(vm, 0, spin);
	lapic_enable_x2apic(vm->vcpu[0]);
	pthread_create(&thread, NULL, run_vm, vm);
	while (!spins)
		usleep(1000);
	vm_add_plane(vm, 1);
	ASSERT_EQ(vm_enable_cap(vm->fd, KVM_CAP_PLANE_SWITCH, policy.token, 0, 0), 0);
	msi_send(vm->fd, VECTOR);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	if (pthread_timedjoin_np(thread, NULL, &end))
		fail("the interrupt is lost");
	ASSERT_EQ(taken[0][VECTOR], 1);
	vm_free(vm);
	policy_unload(&policy);
}

const struct test tests[] = {
	TEST("a policy sees interrupts and NMIs, and KVM injects what it passes on", pass),
	TEST("what it holds stays pending, and comes when it is passed on", hold),
	TEST("it holds some, and is asked for the one that comes first", hold_some),
	TEST("an interrupt that it takes is in service, and #HV comes once", take),
	TEST("it takes an NMI", take_nmi),
	TEST("it takes an interrupt and raises nothing", take_silently),
	TEST("it takes nothing that it passes on", take_and_pass),
	TEST("an interrupt that it raises is another one than that it takes", take_and_raise),
	TEST("it is not asked for an interrupt that the APIC's priority holds", tpr),
	TEST("userspace is told, and the policy is asked again", user),
	TEST("a policy that breaks a rule is ejected, and the interrupt comes", rules),
	TEST("so is one that takes what userspace injects", take_extint),
	TEST("so is one that takes or raises #HV in another op", take_elsewhere),
	TEST("hypercalls in the fast path do not keep it from being asked", fast_path),
	TEST("what is held in one plane is none of another's business", planes),
	TEST("a debugger steps through a plane whose interrupt is held, and into #HV", stepped),
	TEST("a policy is not asked while a debugger blocks interrupts", irqs_blocked),
	TEST("HLT ends though an interrupt is held, but not if interrupts are off", halt),
	TEST("an SMI does not wait for an interrupt that is held", smi),
	TEST("a policy is asked again, also if the vCPU ran before there were planes", late),
	{ }
};
