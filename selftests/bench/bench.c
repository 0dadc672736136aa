// SPDX-License-Identifier: GPL-2.0
/*
 * bench: what a VTL call and its return cost, or a run of VMPL 0 by VMPL 2, switched by userspace
 * and by policies.
 *
 * "bench" measures, "bench --profile ROW" goes round and round for run-profile to watch.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_stats.h"
#include "policy.h"
#include "vmpl_guest.h"
#include "vmpl_switch.h"
#include "vtl_guest.h"
#include "vtl_switch.h"

/* How long a profile lasts, in instructions: enough for run-profile to come in. */
#define PROFILE_TICKS	1500000000ULL

/* No hypercall of KVM's: it answers -KVM_ENOSYS. */
#define NULL_HYPERCALL	0x1000

/* What VTL 0 writes to for the VMM to send an interrupt, to VTL 1 and to nobody */
#define PORT_INTERRUPT	0x910
#define PORT_NOTHING	0x911

#define VECTOR		0x50
#define MSI_ADDRESS	0xfee00000

/* Intel SDM volume 3, "Extended xAPIC (x2APIC)" */
#define MSR_APIC_BASE	0x1b
#define APIC_BASE_X2APIC	0xfee00c00
#define MSR_X2APIC_EOI	0x80b
#define MSR_X2APIC_SPIV	0x80f
#define APIC_SPIV_ON	0x1ff

/* Where policies are with their programs replaced by C functions */
#define NATIVE_MODULE	"/planes/selftests/vtl_native.ko"

POLICY(vmpl, "bpf/vmpl.bpf.o");
POLICY(vtl, "bpf/vtl.bpf.o");
POLICY(passes, "selftests/policies/passes.bpf.o");
POLICY(resumes, "selftests/policies/resumes.bpf.o");

/**
 * enum trip - what the guest does in a round trip
 * @VTL_CALL: VTL 0 calls VTL 1, which returns at once
 * @VTL_INTERRUPT: VTL 0 has the VMM send an interrupt to VTL 1, which handles it and returns
 * @HYPERCALL: a hypercall that KVM does not know, of a guest that does not use Hyper-V's interface
 * @VMPL_RUN: VMPL 2 has VMPL 0 run by its GHCB page, and VMPL 0 has VMPL 2 run at once
 */
enum trip { VTL_CALL, VTL_INTERRUPT, HYPERCALL, VMPL_RUN };

/**
 * struct row - a row of the table
 * @policy: who switches; NULL is userspace
 * @native: by what NATIVE_MODULE has in place of the policy's programs
 */
static const struct row {
	const char *name;
	enum trip trip;
	const struct policy_object *policy;
	bool native;
} rows[] = {
	{ .name = "switch_userspace", .trip = VTL_CALL },
	{ .name = "switch_policy_vtl", .trip = VTL_CALL, .policy = &policy_vtl },
	{ .name = "switch_policy_native", .trip = VTL_CALL, .policy = &policy_vtl, .native = true },
	{ .name = "switch_policy_vtl_interrupt", .trip = VTL_INTERRUPT, .policy = &policy_vtl },
	{ .name = "switch_userspace_interrupt", .trip = VTL_INTERRUPT },
	{ .name = "switch_userspace_vmpl", .trip = VMPL_RUN },
	{ .name = "switch_policy_vmpl", .trip = VMPL_RUN, .policy = &policy_vmpl },
	{ .name = "hypercall_passed", .trip = HYPERCALL, .policy = &policy_passes },
	{ .name = "policy_resume", .trip = HYPERCALL, .policy = &policy_resumes },
};

#define NR_ROWS		(sizeof(rows) / sizeof(rows[0]))

/* The VM of the row, and who switches its planes if it is userspace */
static struct vm *vm;
static struct vtl vtl;
static struct vmpl vmpl;

static const struct row *current;
static bool profile;
static int tsc_khz;

static struct result {
	bool available;
	__u64 ticks[BENCH_BATCHES];
	__u64 empty[BENCH_BATCHES];
} results[NR_ROWS];

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

/* The guest. run-profile knows a round trip by its first instruction, bench_round_trip*. */

/* @a and @b are RAX and RCX of the hypercall, EAX and the port, or a GHCB and its valid bits. */
typedef void (*batch_t)(__u64 a, __u64 b, __u64 n);

void bench_hypercalls(__u64 a, __u64 b, __u64 n);
void bench_no_hypercalls(__u64 a, __u64 b, __u64 n);
void bench_outs(__u64 a, __u64 b, __u64 n);
void bench_vmgexits(__u64 a, __u64 b, __u64 n);
extern char bench_vtl1_calls[], bench_vtl1_interrupts[], bench_interrupt[];
static volatile __u64 interrupts __attribute__((used));
static volatile __u64 sent;

#define BATCH(name, begin, a, b, insn)		\
	name ":\n"				\
	"	push	%rbx\n"		\
	"	mov	%rdx, %rbx\n"		\
	begin ":\n"				\
	"	mov	%rdi, %" a "\n"	\
	"	mov	%rsi, %" b "\n"	\
	insn "\n"				\
	"	dec	%rbx\n"		\
	"	jnz	" begin "\n"		\
	"	pop	%rbx\n"		\
	"	ret\n"

/* In the GHCB at @ghcb, a request to run @vmpl; its code is there already. */
#define RUN_VMPL(vmpl, ghcb, valid)			\
	"	movq	$" #vmpl ", 0x398(%" ghcb ")\n"	\
	"	movq	$0, 0x3a0(%" ghcb ")\n"		\
	"	mov	%" valid ", 0x3f8(%" ghcb ")\n"	\
	"	call	vmpl_vmgexit\n"

/* VTL 1 returns and is called, or interrupted: then RAX and RCX are VTL 0's, for the return. */
asm(".pushsection .text\n"
	BATCH("bench_hypercalls", "bench_round_trip_1", "rax", "rcx", "call guest_hypercall_insn")
	BATCH("bench_no_hypercalls", "bench_empty", "rax", "rcx", "")
	BATCH("bench_outs", "bench_round_trip_2", "rax", "rdx", "out %eax, %dx")
	BATCH("bench_vmgexits", "bench_round_trip_3", "rax", "rcx", RUN_VMPL(0, "rax", "rcx"))
	"bench_vmpl0_runs:\n"
	RUN_VMPL(2, "rdi", "rsi")
	"	jmp	bench_vmpl0_runs\n"
	"bench_vtl1_calls:\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN_FAST) ", %eax\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN) ", %ecx\n"
	"	call	guest_hypercall_insn\n"
	"	jmp	bench_vtl1_calls\n"
	"bench_vtl1_interrupts:\n"
	"	xor	%eax, %eax\n"
	"	mov	$" GUEST_STR(HV_VTL_RETURN) ", %ecx\n"
	"	call	guest_hypercall_insn\n"
	"	jmp	bench_vtl1_interrupts\n"
	"bench_interrupt:\n"
	"	mov	%rax, vtl_assist_pages+4096+" GUEST_STR(HV_ASSIST_RETURN_RAX) "\n"
	"	mov	%rcx, vtl_assist_pages+4096+" GUEST_STR(HV_ASSIST_RETURN_RCX) "\n"
	"	push	%rdx\n"
	"	incq	interrupts\n"
	"	mov	$" GUEST_STR(MSR_X2APIC_EOI) ", %ecx\n"
	"	xor	%eax, %eax\n"
	"	xor	%edx, %edx\n"
	"	wrmsr\n"
	"	pop	%rdx\n"
	"	iretq\n"
	".popsection\n");

static void vtl1_calls(void)
{
	vtl_enable();
	vtl_enable_assist_page();
	asm volatile("jmp bench_vtl1_calls");
}

static void use_ghcb(void)
{
	vmpl_enable_ghcb();
	vmpl_fill_ghcb(GHCB_RUN_VMPL, 0, 0);
}

static void vmpl0_runs(void)
{
	use_ghcb();
	asm volatile("jmp bench_vmpl0_runs" : : "D"(&vmpl_ghcbs[0]), "S"(GHCB_VALID_1));
}

static struct {
	__u16 offset_low;
	__u16 selector;
	__u16 type;
	__u16 offset_mid;
	__u64 rest;
} idt[VECTOR + 1];

static void vtl1_interrupts(void)
{
	struct __attribute__((packed)) {
		__u16 limit;
		__u64 base;
	} idtr = { sizeof(idt) - 1, (unsigned long)idt };

	idt[VECTOR].offset_low = (unsigned long)bench_interrupt;
	idt[VECTOR].offset_mid = (unsigned long)bench_interrupt >> 16;
	idt[VECTOR].selector = GUEST_CS;
	idt[VECTOR].type = 0x8e00;		/* interrupt gate, present */
	asm volatile("lidt %0" : : "m"(idtr));

	wrmsr(MSR_APIC_BASE, APIC_BASE_X2APIC);
	wrmsr(MSR_X2APIC_SPIV, APIC_SPIV_ON);
	vtl_enable();
	vtl_enable_assist_page();
	asm volatile("sti; jmp bench_vtl1_interrupts");
}

static __u64 measure(batch_t batch, __u64 a, __u64 b)
{
	__u64 start = read_tsc();

	batch(a, b, BENCH_BATCH);
	return read_tsc() - start;
}

/* Batches of the row, and of what the row is not about */
static __u64 measure_row(void)
{
	switch (current->trip) {
	case VTL_CALL:
		return measure(bench_hypercalls, 0, HV_VTL_CALL);
	case VTL_INTERRUPT:
		return measure(bench_outs, 0, PORT_INTERRUPT);
	case HYPERCALL:
		return measure(bench_hypercalls, NULL_HYPERCALL, 0);
	case VMPL_RUN:
		return measure(bench_vmgexits, (unsigned long)&vmpl_ghcbs[2], GHCB_VALID_1);
	}
	return 0;
}

static __u64 measure_empty(void)
{
	if (current->trip == VTL_INTERRUPT)
		return measure(bench_outs, 0, PORT_NOTHING);
	return measure(bench_no_hypercalls, 0, 0);
}

static void measure_all(struct result *result)
{
	int i, batch;

	for (i = -BENCH_WARMUP; i < BENCH_BATCHES; i++) {
		batch = i < 0 ? 0 : i;
		result->empty[batch] = measure_empty();
		result->ticks[batch] = measure_row();
	}
}

static void go_round(void)
{
	__u64 start;

	guest_sync(0);
	start = read_tsc();
	while (read_tsc() - start < PROFILE_TICKS)
		measure_row();
}

/* VTL 0, or VMPL 2 */
static void make_trips(void)
{
	struct result *result = &results[current - rows];

	if (current->trip == VMPL_RUN) {
		use_ghcb();
	} else if (current->trip != HYPERCALL) {
		vtl_enable();
		vtl_enable_assist_page();
		vtl_call();
	}

	interrupts = 0;
	sent = 0;
	measure_row();
	result->available = current->trip != VTL_INTERRUPT || interrupts;
	if (!result->available)
		guest_done();

	if (profile)
		go_round();
	else
		measure_all(result);
	/* None was lost. With icount QEMU now and then delivers one twice; see README, Limits. */
	GUEST_ASSERT(interrupts >= sent);
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

static void send_interrupt(__u16 port)
{
	struct kvm_msi msi = { .address_lo = MSI_ADDRESS, .data = VECTOR };

	/* VTL 0's local APIC is off. */
	vm_ioctl(port == PORT_INTERRUPT ? vm->plane[1] : vm->fd, KVM_SIGNAL_MSI, &msi);
	sent += port == PORT_INTERRUPT;
}

static bool handle_exit(void)
{
	return current->trip == VMPL_RUN ? vmpl_handle_exit(&vmpl) : vtl_handle_exit(&vtl);
}

static void run(void)
{
	struct kvm_run *run = vm->run;

	for (;;) {
		struct guest_call *call;

		vm_run(vm);
		if (handle_exit())
			continue;
		if (run->exit_reason == KVM_EXIT_IO &&
		    (run->io.port == PORT_INTERRUPT || run->io.port == PORT_NOTHING)) {
			send_interrupt(run->io.port);
			continue;
		}
		call = vm_guest_call(vm);
		if (!call)
			fail("guest, plane %u: %s", kvm_run_planes(run)->plane,
			     vm_exit_name(run->exit_reason));
		if (call->cmd == GUEST_DONE)
			return;
		print_symbols();
	}
}

static int opt_in(int link)
{
	return current->trip == VMPL_RUN ? vmpl_use_policy(&vmpl, link) :
					   vtl_use_policy(&vtl, link);
}

static void use_policy(const struct row *row, struct policy *policy)
{
	int err = policy_load(policy, row->policy);

	if (err)
		fail("%s: the policy does not load: %s", row->name, strerror(-err));
	if (row->native && system("insmod " NATIVE_MODULE))
		fail("%s: no " NATIVE_MODULE, row->name);
	if (opt_in(policy->token))
		fail("%s: KVM_CAP_PLANE_SWITCH: %s", row->name, strerror(errno));
}

/* The row is what its name says only if the policy did it all. */
static void check_policy(const struct row *row)
{
	struct policy_status status;

	if (!policy_read_status(vm, &status))
		fail("no plane_policy in debugfs");
	if (status.eject_kind)
		fail("%s: the policy was ejected: %s", row->name, status.eject_message);
	if (vtl.switches || vmpl.switches)
		fail("%s: userspace switched as well", row->name);
}

static void start_vtls(void)
{
	vm = vm_create(2);
	vtl_init(&vtl, vm);
	vm_start(vm, 0, make_trips);
	vm_start(vm, 1, current->trip == VTL_INTERRUPT ? vtl1_interrupts : vtl1_calls);
	if (!current->policy && current->trip == VTL_INTERRUPT)
		vtl_take_interrupts(&vtl);
}

static void start_vmpls(void)
{
	vm = vmpl_create_vm(1);
	vm_add_plane(vm, 2);
	vmpl_init(&vmpl, vm);
	vm_start(vm, 0, vmpl0_runs);
	vm_start(vm, 2, make_trips);
}

static void run_row(const struct row *row)
{
	struct policy policy;

	current = row;
	vtl.switches = 0;
	vmpl.switches = 0;
	if (row->trip == VMPL_RUN)
		start_vmpls();
	else
		start_vtls();
	tsc_khz = vm_ioctl(vm->vcpu[0], KVM_GET_TSC_KHZ, 0);
	if (row->policy)
		use_policy(row, &policy);

	run();

	if (row->policy) {
		check_policy(row);
		if (row->native && system("rmmod vtl_native"))
			fail("%s: rmmod", row->name);
		policy_unload(&policy);
	}
	vm_free(vm);
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

	sleep(BENCH_SETTLE_SECONDS);
	for (i = 0; i < NR_ROWS; i++)
		run_row(&rows[i]);

	for (i = 0; i < NR_ROWS; i++)
		if (results[i].available)
			bench_report(rows[i].name, results[i].ticks, results[i].empty);
		else
			printf("%s not available\n", rows[i].name);
	printf("tsc_khz %d\n", tsc_khz);
	return 0;
}
