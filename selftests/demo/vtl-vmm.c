// SPDX-License-Identifier: GPL-2.0
/*
 * vtl-vmm: a guest whose VTL 1 keeps a counter and answers calls of VTL 0.
 *
 * The same guest is switched by this program, or by a policy that somebody
 * loaded and pinned; it cannot tell which. It checks every answer, and that
 * registers come back as they were, and takes the time of batches of calls.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "policy.h"
#include "vtl_guest.h"
#include "vtl_switch.h"

#define DEFAULT_PIN	"/sys/fs/bpf/planes/vtl"
#define CALLS_AFTER_REMOVAL	1000

static const char usage[] =
	"usage: vtl-vmm [--switch userspace | userspace-gprs | policy[=PIN]] [--calls N]\n"
	"               [--until-removed]\n"
	"  userspace       this program switches VTLs (default)\n"
	"  userspace-gprs  the same, but carries the general registers only: what the\n"
	"                  fastest VMM could do, and too little for many guests\n"
	"  policy          KVM does, by the policy pinned at PIN (" DEFAULT_PIN ")\n"
	"  --calls N       VTL calls to make (10000)\n"
	"  --until-removed and then more, until 1000 were made after the policy was removed\n";

/* The guest. */

static __u64 calls = DEMO_CALLS;
static volatile bool go_on;		/* with more calls than that; the VMM ends it */
volatile __u64 vtl1_counter;		/* VTL 1's, in assembly */

/*
 * VTL 1's service returns; called, it adds 1 to the counter and the counter to RDX, and leaves all
 * other registers alone. VTL 0 asks R8 times, with R10 in RDX; its own count is
 * R9. It stops, with R8 not 0, at the first answer that is wrong.
 */
extern char vtl0_calls[], vtl1_service[];
asm(".pushsection .text\n"
	"vtl1_service:\n"
	"	mov	$0x12, %ecx\n"
	"	mov	$1, %eax\n"
	"	call	guest_hypercall_insn\n"
	"	incq	vtl1_counter(%rip)\n"
	"	addq	vtl1_counter(%rip), %rdx\n"
	"	jmp	vtl1_service\n"
	"vtl0_calls:\n"
	"	mov	%r10, %rdx\n"
	"	xor	%eax, %eax\n"
	"	mov	$0x11, %ecx\n"
	"	call	guest_hypercall_insn\n"
	"	inc	%r9\n"
	"	lea	(%r9, %r10), %r11\n"
	"	cmp	%r11, %rdx\n"
	"	jne	1f\n"
	"	dec	%r8\n"
	"	jnz	vtl0_calls\n"
	"1:	ret\n"
	".popsection\n");

static void vtl1(void)
{
	struct guest_regs in = vtl_hypercall_regs(0, 0), out;

	vtl_enable();
	vtl_enable_assist_page();
	in.rip = (unsigned long)vtl1_service;
	guest_run(&in, &out);
}

static void make_calls(__u64 n, __u64 *random)
{
	struct guest_regs in = vtl_hypercall_regs(0, 0), out;
	__u64 start, i;

	for (i = RBX; i < NR_GPRS; i++)
		in.gpr[i] = guest_random(random);
	in.gpr[R8] = n;
	in.gpr[R9] = vtl1_counter;
	in.rip = (unsigned long)vtl0_calls;

	start = read_tsc();
	guest_run(&in, &out);
	demo_batch_done(start);

	GUEST_ASSERT_EQ(out.gpr[R8], 0);
	GUEST_ASSERT_EQ(out.gpr[R9], in.gpr[R9] + n);
	GUEST_ASSERT_EQ(out.gpr[R9], vtl1_counter);
	for (i = RBX; i < NR_GPRS; i++)
		if (i != RSP && i != R8 && i != R9 && i != R11)
			GUEST_ASSERT_EQ(out.gpr[i], in.gpr[i]);
}

static void vtl0(void)
{
	__u64 random = 0x504c414e45ULL;
	__u64 left, n;

	vtl_enable();
	vtl_enable_assist_page();
	vtl_call();
	for (left = calls; left; left -= n) {
		n = left < DEMO_BATCH ? left : DEMO_BATCH;
		make_calls(n, &random);
	}
	while (go_on) {
		make_calls(DEMO_BATCH, &random);
		calls += DEMO_BATCH;
	}
	GUEST_ASSERT_EQ(vtl1_counter, calls);
	guest_done();
}

/* The VMM. */

static void opt_in(struct vtl *vtl, const char *pin)
{
	int token = demo_open_policy(pin, "vtl");

	if (vtl_use_policy(vtl, token))
		fail("%s: KVM_CAP_PLANE_SWITCH: %s", pin, strerror(errno));
	/* Kept open, it would keep the policy loaded. */
	close(token);
}

static __u64 run(struct vtl *vtl)
{
	__u64 exits = 0;

	for (;;) {
		struct guest_call *call;

		exits += vm_run(vtl->vm) == KVM_EXIT_PLANE_EVENT;
		if (vtl->switches > 2 * CALLS_AFTER_REMOVAL)
			go_on = false;
		if (vtl_handle_exit(vtl))
			continue;
		call = vm_guest_call(vtl->vm);
		if (!call)
			fail("guest, plane %u: %s", kvm_run_planes(vtl->vm->run)->plane,
			     vm_exit_name(vtl->vm->run->exit_reason));
		if (call->cmd == GUEST_DONE)
			return exits;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "switch", required_argument, NULL, 's' },
		{ "calls", required_argument, NULL, 'c' },
		{ "until-removed", no_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *how = "userspace", *pin;
	struct policy_status status;
	struct vtl vtl;
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
		case 'u':
			go_on = true;
			break;
		default:
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? EXIT_SUCCESS : 2;
		}
	}
	pin = demo_policy_pin(how, DEFAULT_PIN);
	if (!pin && strcmp(how, "userspace") && strcmp(how, "userspace-gprs"))
		fail("--switch %s?\n%s", how, usage);

	if (go_on && !pin)
		fail("--until-removed: there is no policy\n%s", usage);

	vtl_init(&vtl, vm_create(2));
	if (!strcmp(how, "userspace-gprs"))
		vtl_carry_gprs_only(&vtl);
	vm_start(vtl.vm, 0, vtl0);
	vm_start(vtl.vm, 1, vtl1);
	if (pin)
		opt_in(&vtl, pin);

	exits = run(&vtl);
	if (!policy_read_status(vtl.vm, &status))
		fail("no plane_policy in debugfs");

	printf("switch: %s\n", how);
	printf("policy: %s\n", status.policy);
	printf("calls: %llu\n", calls);
	printf("switches_by_userspace: %llu\n", vtl.switches);
	printf("switches_by_kernel: %lld\n", pin ? status.switches : 0);
	printf("plane_exits: %llu\n", exits);
	demo_print_ticks(calls);
	if (status.eject_kind)
		fail("the policy was ejected: %s", status.eject_message);
	return EXIT_SUCCESS;
}
