// SPDX-License-Identifier: GPL-2.0
/*
 * A service module (SVSM) in VMPL 0 and its guest in VMPL 2: how that is created, what it may ask
 * for and is told, and what it cannot get at.
 */
#include "svsm.h"
#include "vmpl_test.h"

#define NO_PROTOCOL	0x1234
#define NO_CALL		99
#define CALLS		1000

#define QUERY	SVSM_CALL(SVSM_CORE, SVSM_CORE_QUERY_PROTOCOL)
#define REMAP	SVSM_CALL(SVSM_CORE, SVSM_CORE_REMAP_CA)
#define COUNT	SVSM_CALL(SVSM_SEAL, SVSM_SEAL_COUNT)
#define CHECK	SVSM_CALL(SVSM_SEAL, SVSM_SEAL_CHECK)

/* Creating a VMPL. VMPL 0 here is no SVSM, but asks for what it likes. */

static struct vmsa vmsa;
struct guest_regs created_with;	/* of VMPL 2, in assembly */
extern char vmpl2_first[];

/* What VMPL 2 begins with goes to created_with, RSP among it. */
asm(".pushsection .text\n"
	"vmpl2_first:\n"
	"	mov	%rax, created_with\n"
	"	lea	created_with(%rip), %rax\n"
	"	mov	%rcx, 1*8(%rax)\n"
	"	mov	%rdx, 2*8(%rax)\n"
	"	mov	%rbx, 3*8(%rax)\n"
	"	mov	%rsp, 4*8(%rax)\n"
	"	mov	%rbp, 5*8(%rax)\n"
	"	mov	%rsi, 6*8(%rax)\n"
	"	mov	%rdi, 7*8(%rax)\n"
	"	mov	%r8, 8*8(%rax)\n"
	"	mov	%r9, 9*8(%rax)\n"
	"	mov	%r10, 10*8(%rax)\n"
	"	mov	%r11, 11*8(%rax)\n"
	"	mov	%r12, 12*8(%rax)\n"
	"	mov	%r13, 13*8(%rax)\n"
	"	mov	%r14, 14*8(%rax)\n"
	"	mov	%r15, 15*8(%rax)\n"
	"	jmp	vmpl2_second\n"
	".popsection\n");

#define MSR_PAT		0x277
#define MSR_LSTAR	0xc0000082
#define PAT		0x0007040600070404ULL
#define LSTAR		0xffff800012345678ULL
#define CR2		0x1122334455667788ULL
#define DR1		0x12345000ULL

void vmpl2_second(void);
void vmpl2_second(void)
{
	__u32 mxcsr;

	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	GUEST_ASSERT_EQ(mxcsr, 0x1fa0);
	GUEST_ASSERT_EQ(rdmsr(MSR_PAT), PAT);
	GUEST_ASSERT_EQ(rdmsr(MSR_LSTAR), LSTAR);
	GUEST_ASSERT_EQ(read_cr2(), CR2);
	GUEST_ASSERT_EQ(read_cr3(), (unsigned long)guest_tables[2].pml4);
	GUEST_ASSERT_EQ(read_dr1(), DR1);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), 0);
	vmpl_run_forever(0);
}

static void vmpl0_creates(void)
{
	struct ghcb_answer answer;
	__u64 random = 1;
	int i;

	vmpl_enable_ghcb();
	vmpl_fill_vmsa(&vmsa, 2, (guest_code_t)vmpl2_first);
	for (i = 1; i < NR_GPRS; i++)
		vmsa.gpr[i] = guest_random(&random);
	vmsa.rax = guest_random(&random);
	vmsa.g_pat = PAT;
	vmsa.lstar = LSTAR;
	vmsa.cr2 = CR2;
	vmsa.dr[1] = DR1;
	vmsa.mxcsr = 0x1fa0;

	answer = vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa);
	GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
	GUEST_ASSERT_EQ(answer.info_2, 0);
	vmpl_run_ok(2);
	for (i = 1; i < NR_GPRS; i++)
		if (i != RSP)
			GUEST_ASSERT_EQ(created_with.gpr[i], vmsa.gpr[i]);
	GUEST_ASSERT_EQ(created_with.gpr[RAX], vmsa.rax);
	GUEST_ASSERT_EQ(created_with.gpr[RSP], vmsa.rsp);
	guest_done();
}

/* VMPL 0 alone is there; the tables of the others are. */
static void run_vmpl0(enum test_how how, guest_code_t vmpl0)
{
	const guest_code_t entry[] = { vmpl0 };
	struct vmpl_test t;

	vm_prepare(2);
	vm_prepare(3);
	vmpl_test_start(&t, how, 1, entry);
	vmpl_test_run_to_end(&t);
}

static void creates(enum test_how how)
{
	run_vmpl0(how, vmpl0_creates);
}

static void expect_refused(struct ghcb_answer answer, __u64 reason)
{
	struct ghcb_answer run;

	GUEST_ASSERT_EQ(answer.info_1, GHCB_MALFORMED);
	GUEST_ASSERT_EQ(answer.info_2, reason);
	run = vmpl_run(2);
	GUEST_ASSERT_EQ(run.info_1, GHCB_MALFORMED);
	GUEST_ASSERT_EQ(run.info_2, GHCB_INVALID_INPUT);
}

static struct ghcb_answer create(__u64 info_1, __u64 info_2, __u64 rax, __u64 valid)
{
	struct ghcb *ghcb = &vmpl_ghcbs[guest_plane()];

	vmpl_fill_ghcb(GHCB_AP_CREATE, info_1, info_2);
	ghcb->rax = rax;
	ghcb->valid_bitmap[0] = valid;
	vmpl_vmgexit();
	return vmpl_read_ghcb();
}

#define CREATE(vmpl)	(GHCB_AP_CREATE_NOW | (vmpl) << GHCB_AP_VMPL_SHIFT)

static void bad_requests(void)
{
	static const __u64 info_1[] = {
		CREATE(0),			/* the one that asks */
		CREATE(4), CREATE(15),		/* none such */
		CREATE(2) | 1 << 20, CREATE(2) | 1ULL << 31,
		CREATE(2) | 1ULL << GHCB_AP_APIC_ID_SHIFT,
		CREATE(2) | ~0ULL << GHCB_AP_APIC_ID_SHIFT,
		CREATE(2) - GHCB_AP_CREATE_NOW + GHCB_AP_CREATE_ON_INIT,
		CREATE(2) + 2, CREATE(2) | 1 << 15,
		GHCB_AP_DESTROY,
		GHCB_AP_DESTROY | 4 << GHCB_AP_VMPL_SHIFT,
	};
	unsigned int i;

	for (i = 0; i < sizeof(info_1) / sizeof(info_1[0]); i++)
		expect_refused(create(info_1[i], (unsigned long)&vmsa, 0, GHCB_VALID_0),
			       GHCB_INVALID_INPUT);
	expect_refused(create(CREATE(2), (unsigned long)&vmsa, 0, 0), GHCB_MISSING_INPUT);
}

static void bad_pages(void)
{
	static const __u64 gpas[] = { 0, 0x1000, 1ULL << 40, ~0ULL, ~0xfffULL };
	static __u64 not_aligned[2 * 4096 / 8] __attribute__((aligned(4096)));
	unsigned int i;

	for (i = 0; i < sizeof(gpas) / sizeof(gpas[0]); i++)
		expect_refused(create(CREATE(2), gpas[i], 0, GHCB_VALID_0), GHCB_INVALID_INPUT);
	for (i = 0; i < sizeof(vmsa) / 8; i++)
		not_aligned[i + 1] = ((__u64 *)&vmsa)[i];
	expect_refused(create(CREATE(2), (unsigned long)&not_aligned[1], 0, GHCB_VALID_0),
		       GHCB_INVALID_INPUT);
}

static void bad_vmsas(void)
{
	vmsa.efer &= ~EFER_SVME;
	expect_refused(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa), GHCB_INVALID_INPUT);
	vmsa.efer |= EFER_SVME;

	vmsa.vmpl = 1;
	expect_refused(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa), GHCB_INVALID_INPUT);
	vmsa.vmpl = 2;

	expect_refused(create(CREATE(2), (unsigned long)&vmsa, vmsa.sev_features + 1, GHCB_VALID_0),
		       GHCB_INVALID_INPUT);

	/* Paging without protected mode; then a reserved type of memory */
	vmsa.cr0 &= ~1ULL;
	expect_refused(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa), GHCB_INVALID_INPUT);
	vmsa.cr0 |= 1;
	vmsa.g_pat = 2;
	expect_refused(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa), GHCB_INVALID_INPUT);
	vmsa.g_pat = PAT;
}

static void vmpl0_creates_badly(void)
{
	vmpl_enable_ghcb();
	vmpl_fill_vmsa(&vmsa, 2, vmpl_run_0_forever);
	bad_requests();
	bad_pages();
	bad_vmsas();

	GUEST_ASSERT_EQ(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa).info_1, GHCB_OK);
	vmpl_run_ok(2);
	guest_done();
}

static void creates_badly(enum test_how how)
{
	run_vmpl0(how, vmpl0_creates_badly);
}

static void vmpl2_creates(void)
{
	static const int vmpls[] = { 0, 1, 2, 3 };
	struct ghcb_answer answer;
	unsigned int i;

	vmpl_enable_ghcb();
	for (i = 0; i < 4; i++) {
		vmpl_fill_vmsa(&vmsa, vmpls[i], vmpl_run_0_forever);
		answer = vmpl_ap_create(GHCB_AP_CREATE_NOW, vmpls[i], &vmsa);
		GUEST_ASSERT_EQ(answer.info_1, GHCB_MALFORMED);
		GUEST_ASSERT_EQ(answer.info_2, GHCB_INVALID_INPUT);
		answer = vmpl_ap_create(GHCB_AP_DESTROY, vmpls[i], &vmsa);
		GUEST_ASSERT_EQ(answer.info_1, GHCB_MALFORMED);
	}
	vmpl_run_0_forever();
}

static void vmpl0_lets_create(void)
{
	vmpl_enable_ghcb();
	vmpl_fill_vmsa(&vmsa, 2, vmpl2_creates);
	GUEST_ASSERT_EQ(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa).info_1, GHCB_OK);
	vmpl_run_ok(2);
	vmpl_run_ok(2);
	GUEST_ASSERT_EQ(vmpl_run(1).info_1, GHCB_MALFORMED);
	GUEST_ASSERT_EQ(vmpl_run(3).info_1, GHCB_MALFORMED);
	guest_done();
}

static void other_creates(enum test_how how)
{
	run_vmpl0(how, vmpl0_lets_create);
}

static volatile int begun;

static void vmpl2_begins(void)
{
	begun++;
	vmpl_run_0_forever();
}

static void vmpl0_destroys(void)
{
	int i;

	vmpl_enable_ghcb();
	vmpl_fill_vmsa(&vmsa, 2, vmpl2_begins);
	/* Of what is not there it is no error. */
	GUEST_ASSERT_EQ(vmpl_ap_create(GHCB_AP_DESTROY, 2, &vmsa).info_1, GHCB_OK);
	for (i = 1; i <= 3; i++) {
		GUEST_ASSERT_EQ(vmpl_ap_create(GHCB_AP_CREATE_NOW, 2, &vmsa).info_1, GHCB_OK);
		vmpl_run_ok(2);
		vmpl_run_ok(2);
		GUEST_ASSERT_EQ(begun, i);
		GUEST_ASSERT_EQ(vmpl_ap_create(GHCB_AP_DESTROY, 2, &vmsa).info_1, GHCB_OK);
		GUEST_ASSERT_EQ(vmpl_run(2).info_1, GHCB_MALFORMED);
		GUEST_ASSERT_EQ(vmpl_run_by_msr(2), 1);
	}
	guest_done();
}

static void destroys(enum test_how how)
{
	run_vmpl0(how, vmpl0_destroys);
}

/* The SVSM, and VMPL 2 as its guest */

static struct svsm_ca *ca;
static struct svsm_ca other_ca __attribute__((aligned(4096)));

static void guest_begin(void)
{
	ca = (struct svsm_ca *)svsm_secrets.svsm_caa;
	GUEST_ASSERT_EQ(svsm_secrets.svsm_guest_vmpl, guest_plane());
	vmpl_enable_ghcb();
}

/* The result of a call, the rest of which is in @call */
static __u64 make_call(struct svsm_call *call)
{
	GUEST_ASSERT(svsm_make_call(ca, call));
	return call->rax;
}

static __u64 simple_call(__u64 rax, __u64 rcx)
{
	struct svsm_call call = { .rax = rax, .rcx = rcx };

	return make_call(&call);
}

/* The SVSM, once more, with its guest in the state that it has. */
static void start_svsm(struct vmpl_test *t, enum test_how how, guest_code_t guest)
{
	const guest_code_t entry[] = { NULL };

	vmpl_test_start(t, how, 1, entry);
	svsm_start(&t->vmpl, guest);
}

static void run_svsm(enum test_how how, guest_code_t guest)
{
	struct vmpl_test t;

	start_svsm(&t, how, guest);
	vmpl_test_run_to_end(&t);
}

static void guest_unknown(void)
{
	static const __u32 core[] = { 1, 2, 3, 4, 5, 7, 8, NO_CALL, 0xffffffff };
	unsigned int i;

	guest_begin();
	GUEST_ASSERT_EQ(simple_call(SVSM_CALL(NO_PROTOCOL, 0), 0), SVSM_UNSUPPORTED_PROTOCOL);
	GUEST_ASSERT_EQ(simple_call(SVSM_CALL(0xffffffff, 0), 0), SVSM_UNSUPPORTED_PROTOCOL);
	for (i = 0; i < sizeof(core) / sizeof(core[0]); i++)
		GUEST_ASSERT_EQ(simple_call(SVSM_CALL(SVSM_CORE, core[i]), 0),
				SVSM_UNSUPPORTED_CALL);
	GUEST_ASSERT_EQ(simple_call(SVSM_CALL(SVSM_SEAL, NO_CALL), 0), SVSM_UNSUPPORTED_CALL);
	guest_done();
}

static void unknown(enum test_how how)
{
	run_svsm(how, guest_unknown);
}

static __u64 query(__u32 protocol, __u32 version)
{
	struct svsm_call call = { .rax = QUERY, .rcx = SVSM_CALL(protocol, version) };

	GUEST_ASSERT_EQ(make_call(&call), SVSM_OK);
	return call.rcx;
}

static void guest_query(void)
{
	guest_begin();
	GUEST_ASSERT_EQ(query(SVSM_CORE, 1), 1ULL << 32 | 1);
	GUEST_ASSERT_EQ(query(SVSM_SEAL, 1), 1ULL << 32 | 1);
	GUEST_ASSERT_EQ(query(SVSM_CORE, 0), 0);
	GUEST_ASSERT_EQ(query(SVSM_CORE, 2), 0);
	GUEST_ASSERT_EQ(query(SVSM_SEAL, 2), 0);
	GUEST_ASSERT_EQ(query(NO_PROTOCOL, 1), 0);
	guest_done();
}

static void queries(enum test_how how)
{
	run_svsm(how, guest_query);
}

static void guest_remap(void)
{
	unsigned long page = (unsigned long)&other_ca;
	struct svsm_call call = { .rax = COUNT };
	struct svsm_ca *first;

	guest_begin();
	first = ca;
	GUEST_ASSERT_EQ(simple_call(REMAP, page + 4), SVSM_INVALID_PARAMETER);
	GUEST_ASSERT_EQ(simple_call(REMAP, page + 4096 - 8), SVSM_INVALID_PARAMETER);
	GUEST_ASSERT_EQ(simple_call(REMAP, 0), SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, 1ULL << 40), SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, (unsigned long)&svsm_private), SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, (unsigned long)guest_stacks[0] + 4096),
			SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, (unsigned long)&vmpl_ghcbs[0]), SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, (unsigned long)guest_tables[0].pd),
			SVSM_INVALID_ADDRESS);
	GUEST_ASSERT_EQ(simple_call(REMAP, (unsigned long)vmpl_vmgexit & ~7ULL),
			SVSM_INVALID_ADDRESS);

	/* Answered in the area that was in use; from then on in the other. */
	GUEST_ASSERT_EQ(simple_call(REMAP, page), SVSM_OK);
	GUEST_ASSERT(!svsm_make_call(first, &call));
	ca = &other_ca;
	call = (struct svsm_call) { .rax = COUNT };
	GUEST_ASSERT_EQ(make_call(&call), SVSM_OK);
	GUEST_ASSERT_EQ(call.rcx, 1);
	guest_done();
}

static void remaps(enum test_how how)
{
	run_svsm(how, guest_remap);
}

/* Registers of the calling area that nobody is to touch */
static const struct svsm_call untouched = { 0x11, 0x22, 0x33, 0x44, 0x55 };

static void expect_untouched(const struct svsm_ca *area)
{
	const volatile struct svsm_call *regs = &area->regs;

	GUEST_ASSERT_EQ(regs->rax, untouched.rax);
	GUEST_ASSERT_EQ(regs->rcx, untouched.rcx);
	GUEST_ASSERT_EQ(regs->rdx, untouched.rdx);
	GUEST_ASSERT_EQ(regs->r8, untouched.r8);
	GUEST_ASSERT_EQ(regs->r9, untouched.r9);
}

static void guest_pending(void)
{
	struct svsm_call call = { .rax = COUNT };

	guest_begin();
	/* VMPL 0 runs, but was not asked for anything. */
	ca->regs = untouched;
	vmpl_run_ok(0);
	expect_untouched(ca);
	GUEST_ASSERT_EQ(ca->call_pending, 0);

	/* Asked for something where the SVSM does not look */
	other_ca.regs = untouched;
	other_ca.call_pending = 1;
	vmpl_run_ok(0);
	expect_untouched(&other_ca);
	GUEST_ASSERT_EQ(other_ca.call_pending, 1);
	GUEST_ASSERT(!svsm_get_answer(&other_ca, &call));
	GUEST_ASSERT_EQ(other_ca.call_pending, 0);
	GUEST_ASSERT_EQ(call.rax, COUNT);

	/* Asked once, it answers once. */
	svsm_put_call(ca, &call);
	vmpl_run_ok(0);
	GUEST_ASSERT_EQ(ca->call_pending, 0);
	vmpl_run_ok(0);
	GUEST_ASSERT(svsm_get_answer(ca, &call));
	GUEST_ASSERT_EQ(call.rax, SVSM_OK);
	GUEST_ASSERT_EQ(call.rcx, 1);
	guest_done();
}

static void pending(enum test_how how)
{
	run_svsm(how, guest_pending);
}

static void guest_example(void)
{
	struct svsm_call call = { .rax = COUNT, .rcx = 42 };
	struct svsm_call sealed, wrong;

	guest_begin();
	GUEST_ASSERT_EQ(make_call(&call), SVSM_OK);
	GUEST_ASSERT_EQ(call.rcx, 1);
	sealed = (struct svsm_call) { .rax = CHECK, .rcx = 42, .rdx = 1, .r8 = call.rdx };

	wrong = sealed;
	GUEST_ASSERT_EQ(make_call(&wrong), SVSM_OK);
	wrong = sealed;
	wrong.rcx = 43;
	GUEST_ASSERT_EQ(make_call(&wrong), SVSM_SEAL_WRONG);
	wrong = sealed;
	wrong.r8 ^= 1;
	GUEST_ASSERT_EQ(make_call(&wrong), SVSM_SEAL_WRONG);
	wrong = sealed;
	wrong.rdx = 2;
	GUEST_ASSERT_EQ(make_call(&wrong), SVSM_INVALID_PARAMETER);
	wrong = sealed;
	wrong.rdx = 0;
	GUEST_ASSERT_EQ(make_call(&wrong), SVSM_INVALID_PARAMETER);
	call = (struct svsm_call) { .rax = COUNT, .r9 = 1 };
	GUEST_ASSERT_EQ(make_call(&call), SVSM_INVALID_PARAMETER);
	guest_done();
}

static void example(enum test_how how)
{
	run_svsm(how, guest_example);
}

/* What is out of VMPL 2's reach */

static void try(__u8 *insn, const void *address)
{
	struct guest_fault *fault = &guest_faults[SVSM_VMPL];
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u32 count = fault->count;

	in.gpr[RDI] = (unsigned long)address;
	in.gpr[RBX] = 0x5a;
	in.rip = (unsigned long)insn;
	fault->expected = true;
	guest_run(&in, &out);
	fault->expected = false;
	GUEST_ASSERT_EQ(fault->count, count + 1);
	GUEST_ASSERT_EQ(fault->vector, X86_GP);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)insn);
	GUEST_ASSERT_EQ(out.gpr[RBX], 0x5a);
}

static void guest_pries(void)
{
	struct svsm_call call = { .rax = COUNT };

	guest_begin();
	try(guest_load, &svsm_private.key);
	try(guest_store, &svsm_private.counter);
	try(guest_load, &guest_stacks[0][GUEST_STACK_SIZE - 8]);
	try(guest_store, guest_tables[0].pml4);
	try(guest_store, &guest_tables[0].gdt);
	try(guest_store, &vmpl_ghcbs[0]);
	try(guest_store, vmpl_vmgexit);

	GUEST_ASSERT_EQ(make_call(&call), SVSM_OK);
	GUEST_ASSERT_EQ(call.rcx, 1);
	guest_done();
}

#define NR_PRIES	7

static void pries(enum test_how how)
{
	struct vmpl_test t;
	int faults = 0;

	start_svsm(&t, how, guest_pries);
	for (;;) {
		struct guest_call *call;

		if (vm_run_fault(t.vm) == KVM_EXIT_MEMORY_FAULT) {
			ASSERT_EQ(kvm_run_planes(t.vm->run)->plane, SVSM_VMPL);
			faults++;
			vm_raise_gp(t.vm);
			continue;
		}
		if (vmpl_handle_exit(&t.vmpl))
			continue;
		call = vm_guest_call(t.vm);
		ASSERT(call && call->cmd == GUEST_DONE);
		break;
	}
	ASSERT_EQ(faults, NR_PRIES);
	ASSERT(svsm_private.key);
	ASSERT_EQ(svsm_private.counter, 1);
	vmpl_test_end(&t);
}

/* A thousand calls, with all registers random */

static struct svsm_call answers[CALLS];
static bool syncs;

static void check_unchanged(const struct guest_regs *in, const struct guest_regs *out)
{
	int i;

	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP)
			GUEST_ASSERT_EQ(out->gpr[i], in->gpr[i]);
	GUEST_ASSERT_EQ(out->rflags, in->rflags);
}

static void call_with_random_regs(struct svsm_call *call, bool by_msr, __u64 *random)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u64 before = rdmsr(GHCB_MSR);
	int i;

	for (i = 0; i < NR_GPRS; i++)
		in.gpr[i] = guest_random(random);
	svsm_put_call(ca, call);
	if (by_msr)
		wrmsr(GHCB_MSR, GHCB_MSR_RUN_VMPL);
	else
		vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);
	guest_run(&in, &out);
	check_unchanged(&in, &out);
	if (by_msr) {
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
		wrmsr(GHCB_MSR, before);
	} else {
		GUEST_ASSERT_EQ(vmpl_read_ghcb().info_1, GHCB_OK);
	}
	GUEST_ASSERT(svsm_get_answer(ca, call));
}

static void guest_thousand(void)
{
	__u64 random = 0x504c414e45ULL;
	int i;

	guest_begin();
	for (i = 0; i < CALLS; i++) {
		answers[i] = (struct svsm_call) { .rax = COUNT, .rcx = i * 3 };
		call_with_random_regs(&answers[i], i % 4 == 0, &random);
		if (syncs && i % (CALLS / 10) == 0)
			guest_sync(i);
	}
	guest_done();
}

static void check_answers(void)
{
	int i;

	ASSERT(svsm_private.key);
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(answers[i].rax, SVSM_OK);
		ASSERT_EQ(answers[i].rcx, i + 1);
		ASSERT_EQ(answers[i].rdx, svsm_seal(svsm_private.key, i * 3, i + 1));
		ASSERT(answers[i].rdx != svsm_seal(svsm_private.key ^ 2, i * 3, i + 1));
	}
}

static void thousand(enum test_how how)
{
	struct vmpl_test t;

	start_svsm(&t, how, guest_thousand);
	vmpl_test_run_to_end(&t);
	check_answers();
}

/* Ten times between its calls the guest's policy goes, or comes. */
static void policy_comes_and_goes(enum test_how how)
{
	struct policy_status status;
	struct vmpl_test t;
	bool used = false;

	syncs = true;
	start_svsm(&t, BY_USERSPACE, guest_thousand);
	vmpl_policy_load(&t.policy);
	while (vmpl_test_run(&t)->cmd != GUEST_DONE) {
		used = !used;
		ASSERT_EQ(vmpl_use_policy(&t.vmpl, used ? t.policy.token : -1), 0);
	}
	ASSERT(!used);
	ASSERT(policy_read_status(t.vm, &status));
	ASSERT_EQ(status.eject_kind, 0);
	check_answers();
	ASSERT(t.vmpl.switches >= CALLS / 2);
	ASSERT(t.vmpl.switches <= CALLS + CALLS / 2);
	vmpl_test_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("a VMPL that is created has the registers of its VMSA", creates),
	TEST_BOTH("what is wrong about a request to create a VMPL is refused", creates_badly),
	TEST_BOTH("a VMPL other than 0 creates none and destroys none", other_creates),
	TEST_BOTH("a VMPL that is destroyed does not run until it is created again", destroys),
	TEST_BOTH("the SVSM says of protocols and calls that it does not know them", unknown),
	TEST_BOTH("the SVSM says which protocols it knows", queries),
	TEST_BOTH("the calling area can be moved, in memory that the guest may write", remaps),
	TEST_BOTH("a call is pending until the SVSM serves it, and then is not", pending),
	TEST_BOTH("a seal is right for what it was made for, and for nothing else", example),
	TEST_BOTH("VMPL 2 can read no secret of the SVSM, nor change what that is made of", pries),
	TEST_BOTH("a thousand calls have the right answers and keep all registers", thousand),
	TEST("so they do if the policy comes and goes", policy_comes_and_goes),
	{ }
};
