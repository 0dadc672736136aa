// SPDX-License-Identifier: GPL-2.0
/*
 * vmpl-vmm: a guest in VMPL 2 that calls a service module (SVSM) in VMPL 0.
 *
 * The same guest is switched by this program, or by a policy that somebody loaded and
 * pinned; it cannot tell which. First it uses the GHCB MSR, then a GHCB page. It checks every
 * answer, and that registers come back as they were, and takes the time of batches of calls.
 * In the end it reads the key that the SVSM seals its answers with, which does not work.
 *
 * It is a software VMPL machine: protocol and switches are real, but no memory is encrypted,
 * and what a VMPL may not access is up to the hypervisor, by memory attributes.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "policy.h"
#include "svsm.h"

#define DEFAULT_PIN	"/sys/fs/bpf/planes/vmpl"
#define MSR_CALLS	100
#define NO_PROTOCOL	0x1234
#define NO_CALL		99
#define SEALED		42

static const char usage[] =
	"usage: vmpl-vmm [--switch userspace | policy[=PIN]] [--calls N] [--transcript]\n"
	"  userspace       this program switches VMPLs (default)\n"
	"  policy          KVM does, by the policy pinned at PIN (" DEFAULT_PIN ")\n"
	"  --calls N       SVSM calls to make by the GHCB page (10000)\n"
	"  --transcript    say what was called first, and what the answers were\n";

/* The guest. */

static __u64 calls = DEMO_CALLS;
static __u64 all_calls;
static struct svsm_ca second_ca __attribute__((aligned(4096)));
static struct svsm_ca *ca;

#define QUERY	SVSM_CALL(SVSM_CORE, SVSM_CORE_QUERY_PROTOCOL)
#define REMAP	SVSM_CALL(SVSM_CORE, SVSM_CORE_REMAP_CA)
#define COUNT	SVSM_CALL(SVSM_SEAL, SVSM_SEAL_COUNT)
#define CHECK	SVSM_CALL(SVSM_SEAL, SVSM_SEAL_CHECK)

/* Calls that are not made by the thousand */
static const struct {
	const char *what;
	__u64 rax;
	__u64 rcx;
	__u32 result;
} first_calls[] = {
	{ "is there version 1 of the core protocol?", QUERY, SVSM_VERSION, SVSM_OK },
	{ "is there version 1 of the example?", QUERY, SVSM_CALL(SVSM_SEAL, SVSM_VERSION),
	  SVSM_OK },
	{ "is there version 1 of another protocol?", QUERY, SVSM_CALL(NO_PROTOCOL, SVSM_VERSION),
	  SVSM_OK },
	{ "use a calling area at the SVSM's key", REMAP, (unsigned long)&svsm_private,
	  SVSM_INVALID_ADDRESS },
	{ "use a calling area of the guest's", REMAP, (unsigned long)&second_ca, SVSM_OK },
	{ "a call that the core protocol has not", SVSM_CALL(SVSM_CORE, NO_CALL), 0,
	  SVSM_UNSUPPORTED_CALL },
	{ "a call of a protocol that there is not", SVSM_CALL(NO_PROTOCOL, 0), 0,
	  SVSM_UNSUPPORTED_PROTOCOL },
	{ "the example: seal a number", COUNT, SEALED, SVSM_OK },
};

#define NR_FIRST	(sizeof(first_calls) / sizeof(first_calls[0]))

static struct svsm_call first_answers[NR_FIRST];

/* With the GHCB MSR; whoever is to answer looks in the new area from the next call on. */
static void make_first_calls(void)
{
	unsigned int i;

	for (i = 0; i < NR_FIRST; i++) {
		struct svsm_call call = { .rax = first_calls[i].rax, .rcx = first_calls[i].rcx };

		GUEST_ASSERT(svsm_make_call_by_msr(ca, &call));
		GUEST_ASSERT_EQ(call.rax, first_calls[i].result);
		first_answers[i] = call;
		all_calls++;
		if (first_calls[i].rcx == (unsigned long)&second_ca)
			ca = &second_ca;
	}
}

static void check_regs(const struct guest_regs *in, const struct guest_regs *out, __u32 changed)
{
	int i;

	for (i = 0; i < NR_GPRS; i++)
		if (i != RSP && !(changed & 1U << i))
			GUEST_ASSERT_EQ(out->gpr[i], in->gpr[i]);
}

static void check_seal(__u64 number, __u64 counter, __u64 seal, __u32 result)
{
	struct svsm_call call = { .rax = CHECK, .rcx = number, .rdx = counter, .r8 = seal };

	GUEST_ASSERT(svsm_make_call(ca, &call));
	GUEST_ASSERT_EQ(call.rax, result);
	all_calls++;
}

/* Each with all registers random, and the GHCB MSR as it was afterwards. */
static void call_by_msr(__u64 *counter, __u64 *random)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	struct svsm_call call = { .rax = COUNT, .rcx = 1 };
	__u64 before = rdmsr(GHCB_MSR);
	int i;

	for (i = 0; i < NR_GPRS; i++)
		in.gpr[i] = guest_random(random);
	svsm_put_call(ca, &call);
	wrmsr(GHCB_MSR, GHCB_MSR_RUN_VMPL);
	guest_run(&in, &out);
	GUEST_ASSERT_EQ(rdmsr(GHCB_MSR), GHCB_MSR_RUN_VMPL_ANSWER);
	wrmsr(GHCB_MSR, before);

	check_regs(&in, &out, 0);
	GUEST_ASSERT_EQ(out.rflags, in.rflags);
	GUEST_ASSERT(svsm_get_answer(ca, &call));
	GUEST_ASSERT_EQ(call.rax, SVSM_OK);
	GUEST_ASSERT_EQ(call.rcx, ++*counter);
	all_calls++;
}

/*
 * R8 calls of what is in RAX, by the GHCB at R10, whose fields to be marked valid are in RDX, and
 * the calling area at R11. R9 is the counter; each call has it as the number. Stops, with R8
 * not 0, at the first answer that is wrong. Uses RCX.
 */
extern char vmpl2_calls[];
asm(".pushsection .text\n"
	"vmpl2_calls:\n"
	"	mov	%rax, 8(%r11)\n"
	"	mov	%r9, 16(%r11)\n"
	"	movq	$0, 24(%r11)\n"
	"	movb	$1, (%r11)\n"
	"	movq	$0, 0x398(%r10)\n"
	"	movq	$0, 0x3a0(%r10)\n"
	"	mov	%rdx, 0x3f8(%r10)\n"
	"	rep; vmmcall\n"
	"	xor	%ecx, %ecx\n"
	"	xchg	%cl, (%r11)\n"
	"	test	%cl, %cl\n"
	"	jnz	1f\n"
	"	cmpq	$0, 0x398(%r10)\n"
	"	jne	1f\n"
	"	cmpq	$0, 8(%r11)\n"
	"	jne	1f\n"
	"	inc	%r9\n"
	"	cmp	%r9, 16(%r11)\n"
	"	jne	1f\n"
	"	dec	%r8\n"
	"	jnz	vmpl2_calls\n"
	"1:	ret\n"
	".popsection\n");

static void call_by_page(__u64 n, __u64 *counter, __u64 *random)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	__u64 start;
	int i;

	for (i = 0; i < NR_GPRS; i++)
		in.gpr[i] = guest_random(random);
	in.gpr[RAX] = COUNT;
	in.gpr[RDX] = GHCB_VALID_1;
	in.gpr[R8] = n;
	in.gpr[R9] = *counter;
	in.gpr[R10] = (unsigned long)&vmpl_ghcbs[SVSM_VMPL];
	in.gpr[R11] = (unsigned long)ca;
	in.rip = (unsigned long)vmpl2_calls;
	ca->regs = (struct svsm_call) { };
	vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);

	start = read_tsc();
	guest_run(&in, &out);
	demo_batch_done(start);

	GUEST_ASSERT_EQ(out.gpr[R8], 0);
	check_regs(&in, &out, 1U << RCX | 1U << R8 | 1U << R9);
	*counter += n;
	GUEST_ASSERT_EQ(out.gpr[R9], *counter);
	all_calls += n;

	/* Of the number that the last call was made with */
	check_seal(*counter - 1, *counter, ca->regs.rdx, SVSM_OK);
}

static void read_key(void)
{
	struct guest_regs in = vmpl_vmgexit_regs(), out;
	struct guest_fault *fault = &guest_faults[SVSM_VMPL];

	in.gpr[RDI] = (unsigned long)&svsm_private.key;
	in.rip = (unsigned long)guest_load;
	fault->expected = true;
	guest_run(&in, &out);
	fault->expected = false;
	GUEST_ASSERT_EQ(fault->count, 1);
	GUEST_ASSERT_EQ(fault->rip, (unsigned long)guest_load);
	GUEST_ASSERT_EQ(out.gpr[RBX], in.gpr[RBX]);
}

static void vmpl2(void)
{
	__u64 random = 0x504c414e45ULL;
	const struct svsm_call *sealed;
	__u64 counter, left, n;
	int i;

	ca = (struct svsm_ca *)svsm_secrets.svsm_caa;
	make_first_calls();
	sealed = &first_answers[NR_FIRST - 1];
	counter = sealed->rcx;
	for (i = 0; i < MSR_CALLS; i++)
		call_by_msr(&counter, &random);

	vmpl_enable_ghcb();
	for (left = calls; left; left -= n) {
		n = left < DEMO_BATCH ? left : DEMO_BATCH;
		call_by_page(n, &counter, &random);
	}
	check_seal(SEALED, sealed->rcx, sealed->rdx, SVSM_OK);
	check_seal(SEALED + 1, sealed->rcx, sealed->rdx, SVSM_SEAL_WRONG);

	read_key();
	/* And nothing else has changed. */
	check_seal(SEALED, sealed->rcx, sealed->rdx, SVSM_OK);
	guest_done();
}

/* The VMM. */

static __u64 refused_gpa;

/* A hypervisor would not let the guest go on, or tell the SVSM. */
static void refuse(struct vm *vm)
{
	const struct mem_fault *fault = mem_run_fault(vm->run);
	int plane = kvm_run_planes(vm->run)->plane;

	if (plane != SVSM_VMPL || fault->flags != KVM_MEMORY_EXIT_FLAG_READ ||
	    fault->gpa != (unsigned long)&svsm_private)
		fail("VMPL %d, access %#llx at %#llx: not the one that was expected", plane,
		     fault->flags, fault->gpa);
	refused_gpa = fault->gpa;
	vm_raise_gp(vm);
}

static __u64 run(struct vmpl *vmpl)
{
	__u64 exits = 0;

	for (;;) {
		struct guest_call *call;
		__u32 reason = vm_run_fault(vmpl->vm);

		exits += reason == KVM_EXIT_PLANE_EVENT;
		if (reason == KVM_EXIT_MEMORY_FAULT) {
			refuse(vmpl->vm);
			continue;
		}
		if (vmpl_handle_exit(vmpl))
			continue;
		call = vm_guest_call(vmpl->vm);
		if (!call)
			fail("guest, plane %u: %s", kvm_run_planes(vmpl->vm->run)->plane,
			     vm_exit_name(reason));
		if (call->cmd == GUEST_DONE)
			return exits;
	}
}

static void print_transcript(void)
{
	unsigned int i;

	for (i = 0; i < NR_FIRST; i++)
		printf("call: %-42s RAX %#14llx RCX %#14llx -> RAX %#10llx RCX %#llx\n",
		       first_calls[i].what, first_calls[i].rax, first_calls[i].rcx,
		       first_answers[i].rax, first_answers[i].rcx);
}

static void opt_in(struct vmpl *vmpl, const char *pin)
{
	int token = demo_open_policy(pin, "vmpl");

	if (vmpl_use_policy(vmpl, token))
		fail("%s: KVM_CAP_PLANE_SWITCH: %s", pin, strerror(errno));
	/* Kept open, it would keep the policy loaded. */
	close(token);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "switch", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "transcript", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *how = "userspace", *pin;
	struct policy_status status;
	bool transcript = false;
	struct vmpl vmpl;
	__u64 exits;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			how = optarg;
			break;
		case 'c':
			calls = demo_parse_calls(optarg);
			break;
		case 't':
			transcript = true;
			break;
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : 2;
		}
	}
	pin = demo_policy_pin(how, DEFAULT_PIN);
	if (!pin && strcmp(how, "userspace"))
		fail("--switch %s?\n%s", how, usage);

	vmpl_init(&vmpl, vmpl_create_vm(1));
	svsm_start(&vmpl, vmpl2);
	if (pin)
		opt_in(&vmpl, pin);

	exits = run(&vmpl);
	if (!policy_read_status(vmpl.vm, &status))
		fail("no plane_policy in debugfs");
	if (refused_gpa != (unsigned long)&svsm_private)
		fail("VMPL 2 did not try to read the key");

	printf("switch: %s\n", how);
	printf("policy: %s\n", status.policy);
	printf("calls: %llu\n", calls);
	printf("all_calls: %llu\n", all_calls);
	printf("switches_by_userspace: %llu\n", vmpl.switches);
	printf("switches_by_kernel: %lld\n", pin ? status.switches : 0);
	printf("plane_exits: %llu\n", exits);
	demo_print_ticks(calls);
	printf("secret: VMPL 2 reads the key at %#llx: refused, #GP for VMPL 2\n", refused_gpa);
	if (transcript)
		print_transcript();
	if (status.eject_kind)
		fail("the policy was ejected: %s", status.eject_message);
	return EXIT_SUCCESS;
}
