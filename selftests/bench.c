// SPDX-License-Identifier: GPL-2.0
/*
 * bench: what a VTL call and its return cost, switched by userspace and by policies.
 *
 * "bench" measures, "bench --profile ROW" goes round and round for run-profile to watch.
 * The guest measures itself with RDTSC, which counts instructions under QEMU's icount. Nothing is
 * printed before all is measured: a console that drains costs thousands.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"
#include "vtl_guest.h"
#include "vtl_switch.h"

/* Until what boot started has ended */
#define SETTLE_SECONDS	5

#define BATCH		50
#define BATCHES		200
#define WARMUP		20

/* How long a profile lasts, in instructions: enough for run-profile to come in. */
#define PROFILE_TICKS	1500000000ULL

/* No hypercall of KVM's: it answers -KVM_ENOSYS. */
#define NULL_HYPERCALL	0x1000

POLICY(vtl, "bpf/vtl.bpf.o");
POLICY(passes, "selftests/policies/passes.bpf.o");
POLICY(resumes, "selftests/policies/resumes.bpf.o");

/**
 * struct row - a row of the table
 * @vtls: the guest uses Hyper-V's interface, and VTL 1 returns at once when called
 * @policy: who switches; NULL is userspace
 * @rax: the hypercall's RAX
 * @rcx: its RCX
 */
static const struct row {
	const char *name;
	bool vtls;
	const struct policy_object *policy;
	__u32 rax;
	__u32 rcx;
} rows[] = {
	{ "switch_userspace", true, NULL, 0, HV_VTL_CALL },
	{ "switch_policy_vtl", true, &policy_vtl, 0, HV_VTL_CALL },
	{ "hypercall_passed", false, &policy_passes, NULL_HYPERCALL, 0 },
	{ "policy_resume", false, &policy_resumes, NULL_HYPERCALL, 0 },
};

#define NR_ROWS		(sizeof(rows) / sizeof(rows[0]))

static const struct row *current;
static bool profile;
static __u64 ticks[NR_ROWS][BATCHES];
static __u64 loop_ticks[BATCHES];

void fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

/* The guest. run-profile knows a round trip by its first instruction, bench_round_trip. */

void bench_batch(__u64 rax, __u64 rcx, __u64 n);
void bench_empty_batch(__u64 rax, __u64 rcx, __u64 n);
extern char bench_vtl1[];
asm(".pushsection .text\n"
	".globl bench_batch, bench_empty_batch, bench_round_trip\n"
	"bench_batch:\n"
	"	push	%rbx\n"
	"	mov	%rdx, %rbx\n"
	"bench_round_trip:\n"
	"	mov	%rdi, %rax\n"
	"	mov	%rsi, %rcx\n"
	"	call	guest_hypercall_insn\n"
	"	dec	%rbx\n"
	"	jnz	bench_round_trip\n"
	"	pop	%rbx\n"
	"	ret\n"
	"bench_empty_batch:\n"
	"	push	%rbx\n"
	"	mov	%rdx, %rbx\n"
	"1:	mov	%rdi, %rax\n"
	"	mov	%rsi, %rcx\n"
	"	dec	%rbx\n"
	"	jnz	1b\n"
	"	pop	%rbx\n"
	"	ret\n"
	"bench_vtl1:\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN_FAST) ", %eax\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN) ", %ecx\n"
	"	call	guest_hypercall_insn\n"
	"	jmp	bench_vtl1\n"
	".popsection\n");

static void vtl1(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	asm volatile("jmp bench_vtl1");
	__builtin_unreachable();
}

static void go_round(void)
{
	__u64 start;

	bench_batch(current->rax, current->rcx, BATCH);
	guest_sync(0);
	start = read_tsc();
	while (read_tsc() - start < PROFILE_TICKS)
		bench_batch(current->rax, current->rcx, BATCH);
}

static void measure(void)
{
	__u64 start, end;
	int i, batch;

	for (i = -WARMUP; i < BATCHES; i++) {
		batch = i < 0 ? 0 : i;
		start = read_tsc();
		bench_empty_batch(current->rax, current->rcx, BATCH);
		end = read_tsc();
		loop_ticks[batch] = end - start;
		start = read_tsc();
		bench_batch(current->rax, current->rcx, BATCH);
		end = read_tsc();
		ticks[current - rows][batch] = end - start;
	}
}

static void guest_main(void)
{
	if (current->vtls) {
		vtl_enable();
		vtl_enable_assist_page();
	}
	if (profile)
		go_round();
	else
		measure();
	guest_done();
}

/* The VMM. */

/* For run-profile: where functions are, and the end of BPF programs, which kallsyms lacks. */
static void print_symbols(void)
{
	fflush(stdout);
	if (system("grep -i ' [tw] ' /proc/kallsyms && bpftool prog show"))
		fail("no symbols");
	printf("profile: ready\n");
	fflush(stdout);
	sleep(1);
}

static void run(struct vtl *vtl)
{
	for (;;) {
		struct guest_call *call;

		vm_run(vtl->vm);
		if (vtl_handle_exit(vtl))
			continue;
		call = vm_guest_call(vtl->vm);
		if (!call)
			fail("guest, plane %u: %s", kvm_run_planes(vtl->vm->run)->plane,
			     vm_exit_name(vtl->vm->run->exit_reason));
		if (call->cmd == GUEST_DONE)
			return;
		print_symbols();
	}
}

static void run_row(const struct row *row)
{
	struct policy_status status;
	struct policy policy;
	struct vtl vtl;
	int err;

	current = row;
	vtl_init(&vtl, vm_create(2));
	vm_start(vtl.vm, 0, guest_main);
	vm_start(vtl.vm, 1, vtl1);
	if (row->policy) {
		err = policy_load(&policy, row->policy);
		if (err)
			fail("%s: the policy does not load: %s", row->name, strerror(-err));
		if (vtl_use_policy(&vtl, policy.link_fd))
			fail("%s: KVM_CAP_PLANE_SWITCH: %s", row->name, strerror(errno));
	}

	run(&vtl);

	if (row->policy) {
		if (!policy_read_status(vtl.vm, &status) || status.eject_kind)
			fail("%s: the policy was ejected: %s", row->name, status.eject_message);
		if (row->vtls && vtl.switches)
			fail("%s: userspace switched as well", row->name);
		policy_unload(&policy);
	}
	vm_free(vtl.vm);
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* A line "name p25 median p75 p99", each per instruction of a batch */
static void report(const char *name, __u64 *t)
{
	const int rank[] = { BATCHES / 4, BATCHES / 2, BATCHES * 3 / 4, BATCHES * 99 / 100 };
	size_t i;

	qsort(t, BATCHES, sizeof(t[0]), compare);
	printf("%s", name);
	for (i = 0; i < sizeof(rank) / sizeof(rank[0]); i++)
		printf(" %llu.%02llu", t[rank[i]] / BATCH, t[rank[i]] % BATCH * 100 / BATCH);
	printf("\n");
}

static const struct row *find_row(const char *name)
{
	size_t i;

	for (i = 0; i < NR_ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	fail("no row %s", name);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 3 && !strcmp(argv[1], "--profile")) {
		profile = true;
		run_row(find_row(argv[2]));
		return 0;
	}
	if (argc > 1)
		fail("usage: bench [--profile ROW]");

	sleep(SETTLE_SECONDS);
	for (i = 0; i < NR_ROWS; i++)
		run_row(&rows[i]);
	report("empty_loop", loop_ticks);
	for (i = 0; i < NR_ROWS; i++)
		report(rows[i].name, ticks[i]);
	return 0;
}
