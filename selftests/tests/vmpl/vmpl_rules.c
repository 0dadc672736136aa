// SPDX-License-Identifier: GPL-2.0
/*
 * What VMGEXIT does in a software VMPL VM: requests of the MSR protocol and by the GHCB page that
 * are well formed and that are not, and what is none of them (GHCB specification, publication
 * 56421; ghcb.h).
 */
#include <linux/kvm_para.h>
#include <linux/kvm_plane_vmpl.h>

#include "test.h"
#include "vmpl_guest.h"
#include "vmpl_test.h"

#define RUN_ERROR	(1ULL << GHCB_MSR_ERROR_SHIFT | GHCB_MSR_RUN_VMPL_ANSWER)
#define NO_ADDRESS	(~0ULL)
#define NO_HYPERCALL	0xffff
#define SAVED		0x1234567890abc123ULL

/* Each VMPL does it, when it is its turn, with the same answers. */
static guest_code_t body;
static volatile int turn;
static bool has_doorbell;

static struct vmpl_test t;

static __u64 run_request(__u64 vmpl)
{
	return vmpl << GHCB_MSR_VMPL_SHIFT | GHCB_MSR_RUN_VMPL;
}

/* None of the body's requests may run a VMPL whose turn it is not. */
static void take_turn(void)
{
	int me = guest_plane();

	GUEST_ASSERT_EQ(turn, me);
	vmpl_enable_ghcb();
	body();
	GUEST_ASSERT_EQ(turn, me);
	turn = (me + 1) % GUEST_PLANES;
	vmpl_run_ok(turn);
	GUEST_ASSERT_EQ(me, 0);
	GUEST_ASSERT_EQ(turn, 0);
	guest_done();
}

static void in_each_vmpl(enum test_how how, guest_code_t code)
{
	const guest_code_t entry[] = { take_turn, take_turn, take_turn, take_turn };

	body = code;
	has_doorbell = how == BY_POLICY;
	vmpl_test_start(&t, how, GUEST_PLANES, entry);
	vmpl_test_run_to_end(&t);
}

/* The MSR protocol */

static void msr_is_refused(__u64 request)
{
	__u64 answer = vmpl_msr_request(request);

	if (answer != RUN_ERROR)
		guest_abort("a request that must fail, the answer", request, answer);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), (unsigned long)&vmpl_ghcbs[guest_plane()]);
}

static void msr_reserved_bits(void)
{
	int vmpl, bit;

	for (vmpl = 0; vmpl < GUEST_PLANES; vmpl++) {
		for (bit = 12; bit < 64; bit++)
			if (bit < 32 || bit >= 40)
				msr_is_refused(run_request(vmpl) | 1ULL << bit);
		msr_is_refused(run_request(vmpl) | 0xfffff000ULL);
		msr_is_refused(run_request(vmpl) | ~0ULL << 40);
	}
}

static void msr_reserved(enum test_how how)
{
	in_each_vmpl(how, msr_reserved_bits);
}

static void msr_numbers_too_high(void)
{
	int vmpl;

	for (vmpl = GUEST_PLANES; vmpl < 256; vmpl++)
		msr_is_refused(run_request(vmpl));
}

static void msr_too_high(enum test_how how)
{
	in_each_vmpl(how, msr_numbers_too_high);
}

/* Also with nothing to be gone back to: MSR 0. */
static void run_self(void)
{
	int me = guest_plane(), i;

	for (i = 0; i < 10; i++) {
		GUEST_ASSERT_EQ(vmpl_msr_request(run_request(me)), GHCB_MSR_RUN_VMPL_ANSWER);
		vmpl_run_ok(me);
		wrmsr(GHCB_MSR, 0);
		GUEST_ASSERT_EQ(vmpl_run_by_msr(me), 0);
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), 0);
		vmpl_enable_ghcb();
	}
}

static __u64 count_switches(void)
{
	struct policy_status status;

	if (t.how == BY_USERSPACE)
		return t.vmpl.switches;
	ASSERT(policy_read_status(t.vm, &status));
	return status.switches;
}

static void same_vmpl(enum test_how how)
{
	in_each_vmpl(how, run_self);
}

static void self_and_sync(void)
{
	vmpl_enable_ghcb();
	vmpl_run_ok(1);
	guest_sync(0);
	run_self();
	guest_sync(1);
	vmpl_run_ok(1);
	guest_done();
}

static void same_is_no_switch(enum test_how how)
{
	const guest_code_t entry[] = { self_and_sync, NULL };
	__u64 before;

	vmpl_test_start(&t, how, 2, entry);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 0);
	before = count_switches();
	ASSERT_EQ(before, 2);
	ASSERT_EQ(vmpl_test_run(&t)->arg[0], 1);
	ASSERT_EQ(count_switches(), before);
	vmpl_test_run_to_end(&t);
}

/* From each VMPL to each other one */
static const int route[] = { 0, 1, 0, 2, 0, 3, 1, 2, 1, 3, 2, 3 };

#define ROUTE_LEN	((int)(sizeof(route) / sizeof(route[0])))

static volatile int step;

static void walk(void)
{
	int me = guest_plane(), next;

	vmpl_enable_ghcb();
	for (;;) {
		GUEST_ASSERT_EQ(route[step % ROUTE_LEN], me);
		if (step == 4 * ROUTE_LEN)
			guest_done();
		step++;
		next = route[step % ROUTE_LEN];
		/* Of the rounds, the first two are by page and by MSR. */
		if ((step + step / ROUTE_LEN) & 1)
			vmpl_run_ok(next);
		else
			GUEST_ASSERT_EQ(vmpl_run_by_msr(next), 0);
	}
}

static void each_to_each(enum test_how how)
{
	const guest_code_t entry[] = { walk, walk, walk, walk };

	vmpl_test_start(&t, how, GUEST_PLANES, entry);
	while (vmpl_test_run(&t)->cmd != GUEST_DONE)
		;
	ASSERT_EQ(count_switches(), 4 * ROUTE_LEN);
	vmpl_test_end(&t);
}

static void must_be_refused(int vmpl)
{
	struct ghcb_answer answer = vmpl_run(vmpl);

	msr_is_refused(run_request(vmpl));
	GUEST_ASSERT_EQ(answer.info_1, GHCB_MALFORMED);
	GUEST_ASSERT_EQ(answer.info_2, GHCB_INVALID_INPUT);
}

static void run_missing(void)
{
	vmpl_enable_ghcb();
	must_be_refused(2);
	must_be_refused(3);
	vmpl_run_ok(1);
	guest_done();
}

static void missing(enum test_how how)
{
	const guest_code_t entry[] = { run_missing, NULL };

	vmpl_test_start(&t, how, 2, entry);
	vmpl_test_run_to_end(&t);
}

/* VMPL 2 is stopped, made runnable, and stopped again. */
static void run_stopped(void)
{
	vmpl_enable_ghcb();
	must_be_refused(2);
	guest_sync(1);
	vmpl_run_ok(2);
	GUEST_ASSERT_EQ(vmpl_run_by_msr(2), 0);
	guest_sync(0);
	must_be_refused(2);
	guest_done();
}

static void set_runnable(int vmpl, bool runnable)
{
	struct kvm_mp_state state = {
		.mp_state = runnable ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED,
	};

	vm_ioctl(t.vm->vcpu[vmpl], KVM_SET_MP_STATE, &state);
	t.vmpl.runnable &= ~(1 << vmpl);
	t.vmpl.runnable |= runnable << vmpl;
}

static void not_runnable(enum test_how how)
{
	const guest_code_t entry[] = { run_stopped, NULL, NULL };
	const struct guest_call *call;

	vmpl_test_start(&t, how, 3, entry);
	set_runnable(2, false);
	while ((call = vmpl_test_run(&t))->cmd != GUEST_DONE)
		set_runnable(2, call->arg[0]);
	vmpl_test_end(&t);
}

/* VMPL 1 asks by the MSR for VMPL 0; the VMM looks at both while VMPL 0 runs. */

static void answered(void)
{
	vmpl_enable_ghcb();
	wrmsr(GHCB_MSR, run_request(1));
	vmpl_vmgexit();
	guest_sync(0);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
	vmpl_enable_ghcb();
	vmpl_run_ok(1);
	guest_done();
}

static void asks(void)
{
	wrmsr(GHCB_MSR, SAVED);
	GUEST_ASSERT_EQ(vmpl_run_by_msr(0), 0);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), SAVED);
	vmpl_run_forever(0);
}

static __u64 ghcb_msr(int vmpl)
{
	return t.how == BY_POLICY ? vm_get_msr(t.vm, vmpl, KVM_PLANE_VMPL_MSR_GHCB) :
				    t.vmpl.ghcb_msr[vmpl];
}

static void answer_before_switch(enum test_how how)
{
	const guest_code_t entry[] = { answered, asks };
	struct kvm_regs regs;

	vmpl_test_start(&t, how, 2, entry);
	vmpl_test_run(&t);
	ASSERT_EQ(ghcb_msr(0), GHCB_MSR_RUN_VMPL_ANSWER);
	ASSERT_EQ(ghcb_msr(1), GHCB_MSR_RUN_VMPL_ANSWER);
	vm_ioctl(t.vm->vcpu[1], KVM_GET_REGS, &regs);
	ASSERT_EQ(regs.rip, (unsigned long)vmpl_vmgexit + 4);
	vmpl_test_run_to_end(&t);
}

/* The GHCB page */

static struct ghcb before;

static void copy(void *to, const void *from, __u64 size)
{
	asm volatile("rep; movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* All of the page that is not the answer is as it was. */
static void only_answer_changed(void)
{
	const struct ghcb *page = &vmpl_ghcbs[guest_plane()];
	const __u64 *now = (const void *)page, *was = (const void *)&before;
	int i;

	before.sw_exit_info_1 = page->sw_exit_info_1;
	before.sw_exit_info_2 = page->sw_exit_info_2;
	before.valid_bitmap[0] = 0;
	before.valid_bitmap[1] = GHCB_VALID_INFO;
	for (i = 0; i < 512; i++)
		if (now[i] != was[i])
			guest_abort("a quadword of the GHCB, what it is", i, now[i]);
}

/* What is in the page already; @what is for those who debug this. */
static void page_is_answered(const char *what, __u64 info_1, __u64 info_2)
{
	struct ghcb_answer answer;

	copy(&before, &vmpl_ghcbs[guest_plane()], sizeof(before));
	vmpl_vmgexit();
	only_answer_changed();
	answer = vmpl_read_ghcb();
	if (answer.info_1 != info_1 || answer.info_2 != info_2)
		guest_abort(what, answer.info_1, answer.info_2);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), (unsigned long)&vmpl_ghcbs[guest_plane()]);
}

static void is_refused(const char *what, __u64 reason)
{
	page_is_answered(what, GHCB_MALFORMED, reason);
}

static void fill_random(void)
{
	static __u64 random = 1;
	__u64 *page = (void *)&vmpl_ghcbs[guest_plane()];
	int i;

	for (i = 0; i < 512; i++)
		page[i] = guest_random(&random);
}

static const __u64 codes[] = { GHCB_RUN_VMPL, GHCB_HV_FEATURES, GHCB_HV_DOORBELL };

/* Userspace has no doorbells. */
static int nr_codes(void)
{
	return has_doorbell ? 3 : 2;
}

/* Of each request one that would be answered: the VMPL itself, and for a doorbell, "query" */
static void fill(int code)
{
	fill_random();
	vmpl_fill_ghcb(codes[code], codes[code] == GHCB_HV_DOORBELL ? GHCB_DOORBELL_QUERY :
			    guest_plane(), 0);
}

static void wrong_usage(void)
{
	volatile struct ghcb *page = &vmpl_ghcbs[guest_plane()];
	int code, bit;

	for (code = 0; code < nr_codes(); code++)
		for (bit = 0; bit < 32; bit++) {
			fill(code);
			page->usage = 1U << bit;
			is_refused("usage", GHCB_WRONG_USAGE);
		}
}

static void usage(enum test_how how)
{
	in_each_vmpl(how, wrong_usage);
}

static void not_valid(void)
{
	static const __u64 bits[] = {
		GHCB_VALID(sw_exit_code), GHCB_VALID(sw_exit_info_1), GHCB_VALID(sw_exit_info_2),
		GHCB_VALID_1,
	};
	volatile struct ghcb *page = &vmpl_ghcbs[guest_plane()];
	unsigned int i;
	int code;

	for (code = 0; code < nr_codes(); code++)
		for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
			fill(code);
			page->valid_bitmap[0] = ~0ULL;
			page->valid_bitmap[1] = ~bits[i];
			is_refused("a bit in the bitmap", GHCB_MISSING_INPUT);
		}
}

static void valid_bits(enum test_how how)
{
	in_each_vmpl(how, not_valid);
}

/* More than is needed may be valid. */
static void all_valid(void)
{
	volatile struct ghcb *page = &vmpl_ghcbs[guest_plane()];

	fill(0);
	page->valid_bitmap[0] = ~0ULL;
	page->valid_bitmap[1] = ~0ULL;
	page_is_answered("all bits", GHCB_OK, 0);
}

static void all_bits(enum test_how how)
{
	in_each_vmpl(how, all_valid);
}

static void wrong_info(void)
{
	int bit, vmpl;

	for (bit = 0; bit < 64; bit++) {
		for (vmpl = 0; vmpl < GUEST_PLANES; vmpl++) {
			vmpl_fill_ghcb(GHCB_RUN_VMPL, vmpl, 1ULL << bit);
			is_refused("info 2", GHCB_INVALID_INPUT);
			if (bit < 2)
				continue;
			vmpl_fill_ghcb(GHCB_RUN_VMPL, 1ULL << bit | vmpl, 0);
			is_refused("no such VMPL", GHCB_INVALID_INPUT);
		}
	}
	vmpl_fill_ghcb(GHCB_RUN_VMPL, ~0ULL, 0);
	is_refused("no such VMPL", GHCB_INVALID_INPUT);
}

static void inputs(enum test_how how)
{
	in_each_vmpl(how, wrong_info);
}

static void ask_features(void)
{
	__u64 expected = GHCB_FEATURE_AP_CREATION | GHCB_FEATURE_MULTI_VMPL;

	if (has_doorbell)
		expected |= GHCB_FEATURE_RESTRICTED_INJECTION;
	GUEST_ASSERT_EQ(vmpl_features_by_msr(), expected);
	fill(1);
	page_is_answered("features", GHCB_OK, expected);
}

static void features(enum test_how how)
{
	in_each_vmpl(how, ask_features);
}

/* A doorbell page is set and queried: real ones are in vmpl_restricted.c. */

static struct ghcb_doorbell doorbells[GUEST_PLANES];

static void ask_doorbell(int operation, __u64 gpa, __u64 info_1, __u64 info_2)
{
	fill_random();
	vmpl_fill_ghcb(GHCB_HV_DOORBELL, operation, gpa);
	page_is_answered("a doorbell", info_1, info_2);
}

static void refused_doorbell(__u64 operation, __u64 gpa)
{
	fill_random();
	vmpl_fill_ghcb(GHCB_HV_DOORBELL, operation, gpa);
	is_refused("a doorbell", GHCB_INVALID_INPUT);
}

static void use_doorbells(void)
{
	__u64 gpa = (unsigned long)&doorbells[guest_plane()];
	int bit;

	ask_doorbell(GHCB_DOORBELL_PREFERRED, 0, GHCB_OK, NO_ADDRESS);
	ask_doorbell(GHCB_DOORBELL_QUERY, 0, GHCB_OK, NO_ADDRESS);
	refused_doorbell(GHCB_DOORBELL_SET, 0);
	for (bit = 0; bit < 12; bit++)
		refused_doorbell(GHCB_DOORBELL_SET, gpa | 1ULL << bit);
	for (bit = 2; bit < 64; bit++)
		refused_doorbell(1ULL << bit | GHCB_DOORBELL_SET, gpa);
	ask_doorbell(GHCB_DOORBELL_QUERY, 0, GHCB_OK, NO_ADDRESS);
	ask_doorbell(GHCB_DOORBELL_SET, gpa, GHCB_OK, 0);
	ask_doorbell(GHCB_DOORBELL_QUERY, 0, GHCB_OK, gpa);
	refused_doorbell(GHCB_DOORBELL_SET, gpa + 8);
	ask_doorbell(GHCB_DOORBELL_QUERY, 0, GHCB_OK, gpa);
	guest_sync(gpa);
	ask_doorbell(GHCB_DOORBELL_CLEAR, 0, GHCB_OK, 0);
	ask_doorbell(GHCB_DOORBELL_QUERY, 0, GHCB_OK, NO_ADDRESS);
	guest_sync(0);
	ask_doorbell(GHCB_DOORBELL_SET, gpa, GHCB_OK, 0);
}

static void doorbell(enum test_how how)
{
	const guest_code_t entry[] = { take_turn, take_turn, take_turn, take_turn };
	const struct guest_call *call;

	body = use_doorbells;
	has_doorbell = true;
	vmpl_test_start(&t, BY_POLICY, GUEST_PLANES, entry);
	while ((call = vmpl_test_run(&t))->cmd != GUEST_DONE)
		ASSERT_EQ(vm_get_msr(t.vm, call->plane, KVM_PLANE_VMPL_MSR_DOORBELL),
			  call->arg[0]);
	vmpl_test_end(&t);
}

/* The instruction */

/* A VMMCALL that is no VMGEXIT, with a request in the MSR */
static void plain_vmmcall(void)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u64 request = run_request((guest_plane() + 1) % GUEST_PLANES);

	in.rip = (unsigned long)guest_hypercall_insn;
	in.gpr[RAX] = NO_HYPERCALL;
	wrmsr(GHCB_MSR, request);
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(out.gpr[RAX], -(__u64)KVM_ENOSYS);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), request);
	vmpl_enable_ghcb();
	fill(0);
	copy(&before, &vmpl_ghcbs[guest_plane()], sizeof(before));
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(out.gpr[RAX], -(__u64)KVM_ENOSYS);
	GUEST_ASSERT_EQ(vmpl_ghcbs[guest_plane()].valid_bitmap[1], GHCB_VALID_1);
}

static void plain(enum test_how how)
{
	in_each_vmpl(how, plain_vmmcall);
}

/* The two instructions at CPL 3, from which an exception is the way back */
extern char user_vmgexit[], user_vmmcall[];
asm(".pushsection .text\n"
	"user_vmgexit:\n"
	"	rep; vmmcall\n"
	"	ud2\n"
	"user_vmmcall:\n"
	"	vmmcall\n"
	"	ud2\n"
	".popsection\n");

static __u64 rax_of_user(const char *insn, int length)
{
	struct guest_fault *fault = &guest_faults[guest_plane()];
	struct guest_regs in = vmpl_vmgexit_regs(), out;

	in.cs = GUEST_USER_CS;
	in.ss = GUEST_USER_DS;
	in.rip = (unsigned long)insn;
	in.gpr[RAX] = NO_HYPERCALL;
	fault->expected = true;
	guest_run(&in, &out);
	fault->expected = false;
	GUEST_ASSERT_EQ(fault->vector, X86_UD);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)insn + length);
	return out.gpr[RAX];
}

/* It is then what a VMMCALL is to KVM. */
static void user_requests(void)
{
	__u64 request = run_request((guest_plane() + 1) % GUEST_PLANES);

	wrmsr(GHCB_MSR, request);
	GUEST_ASSERT_EQ(rax_of_user(user_vmgexit, 4), -(__u64)KVM_EPERM);
	GUEST_ASSERT_EQ(rax_of_user(user_vmmcall, 3), -(__u64)KVM_EPERM);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), request);
	vmpl_enable_ghcb();
	fill(0);
	rax_of_user(user_vmgexit, 4);
	GUEST_ASSERT_EQ(vmpl_ghcbs[guest_plane()].valid_bitmap[1], GHCB_VALID_1);
}

static void user(enum test_how how)
{
	in_each_vmpl(how, user_requests);
}

/* VMGEXIT in 32-bit code, and back to 64-bit code */
extern char vmgexit32[];
asm(".pushsection .text\n"
	".code32\n"
	"vmgexit32:\n"
	"	call	vmpl_vmgexit\n"
	"	ljmp	$" GUEST_STR(GUEST_CS) ", $1f\n"
	".code64\n"
	"1:	ret\n"
	".popsection\n");

static void check_regs(struct guest_regs *in, __u64 mask)
{
	static __u64 random = 1;
	struct guest_regs out;
	int i;

	for (i = 0; i < NR_GPRS; i++)
		in->gpr[i] = guest_random(&random) & mask;
	guest_run(in, &out);
	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP)
			GUEST_ASSERT_EQ(out.gpr[i], in->gpr[i]);
	GUEST_ASSERT_EQ(out.rflags, in->rflags);
}

/* By both protocols, with an answer and without a switch, then with one */
static void requests(struct guest_regs *in, __u64 mask)
{
	int i;

	for (i = 0; i < 4; i++) {
		wrmsr(GHCB_MSR, run_request(i & 1));
		check_regs(in, mask);
		GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
		vmpl_enable_ghcb();
		vmpl_fill_ghcb(GHCB_RUN_VMPL, i & 1, 0);
		check_regs(in, mask);
		GUEST_ASSERT_EQ(vmpl_read_ghcb().info_1, GHCB_OK);
	}
}

static void requests_32(void)
{
	struct guest_regs in = vmpl_vmgexit_regs();

	in.cs = GUEST_CS_32;
	in.rip = (unsigned long)vmgexit32;
	requests(&in, 0xffffffff);
	guest_done();
}

static void requests_64(void)
{
	struct guest_regs in = vmpl_vmgexit_regs();

	in.rflags |= 0xcd5;	/* all flags but IF and TF */
	requests(&in, ~0ULL);
	guest_done();
}

static void mode32(enum test_how how)
{
	const guest_code_t entry[] = { requests_32, NULL };

	vmpl_test_start(&t, how, 2, entry);
	vmpl_test_run_to_end(&t);
}

static void registers(enum test_how how)
{
	const guest_code_t entry[] = { requests_64, NULL };

	vmpl_test_start(&t, how, 2, entry);
	vmpl_test_run_to_end(&t);
}

const struct test tests[] = {
	TEST_BOTH("run-VMPL by the MSR fails if a reserved bit is set", msr_reserved),
	TEST_BOTH("run-VMPL by the MSR fails if the VMPL is 4 to 255", msr_too_high),
	TEST_BOTH("run-VMPL fails if the VMPL is not there", missing),
	TEST_BOTH("run-VMPL fails if the VMPL is not runnable, and works when it is", not_runnable),
	TEST_BOTH("run-VMPL of the VMPL that runs succeeds", same_vmpl),
	TEST_BOTH("and is no switch", same_is_no_switch),
	TEST_BOTH("run-VMPL by MSR and page goes from each VMPL to each other one", each_to_each),
	TEST_BOTH("the answer is in the caller's MSR before another VMPL runs",
		  answer_before_switch),
	TEST_BOTH("a request by a GHCB page whose usage is not 0 is refused", usage),
	TEST_BOTH("a request in which a needed field is not marked valid is refused", valid_bits),
	TEST_BOTH("one in which more than that is marked valid is answered", all_bits),
	TEST_BOTH("run-VMPL by page is refused if info 2 is not 0, or there is no such VMPL",
		  inputs),
	TEST_BOTH("each VMPL is told the features, by MSR and page", features),
	TEST("each VMPL can set, query and clear a doorbell page, at the start of a page only",
	     doorbell),
	TEST_BOTH("VMMCALL without the prefix is a hypercall to KVM and nothing else", plain),
	TEST_BOTH("VMGEXIT at CPL 3 is a hypercall to KVM, too, which refuses it", user),
	TEST_BOTH("32-bit code can use VMGEXIT", mode32),
	TEST_BOTH("VMGEXIT changes no register, and the next instruction is four bytes on",
		  registers),
	{ }
};
