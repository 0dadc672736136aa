// SPDX-License-Identifier: GPL-2.0
/*
 * bench-off: what a VM without planes pays for a hypercall and for an exit to userspace.
 *
 * It uses nothing of ours, so that it runs on the distribution's KVM too; bench/run-off compares
 * the two. The guest is this program's own image, as in vmm.c, and measures itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_stats.h"

#define PAGE_SIZE	4096UL
#define HUGE_PAGE_SIZE	(2UL << 20)
#define CPUID_ENTRIES	256

#define PORT_EXIT	0x900
#define PORT_DONE	0x901

/* No hypercall of KVM's: it answers -KVM_ENOSYS. */
#define NULL_HYPERCALL	0x1000

/* AMD APM volume 2, chapters 3 to 5: control registers, page tables */
#define CR0_PE		(1UL << 0)
#define CR0_PG		(1UL << 31)
#define CR4_PAE		(1UL << 5)
#define EFER_LME	(1UL << 8)
#define EFER_LMA	(1UL << 10)
#define PTE_TABLE	0x7UL		/* present, writable, user */
#define PTE_LEAF_2M	0xe7UL		/* and accessed, dirty, large */

#define RFLAGS_FIXED	(1UL << 1)

/* CPUID.0:EBX, "Genu" of "GenuineIntel" */
#define INTEL_EBX	0x756e6547

enum { EMPTY_LOOP, HYPERCALL, USERSPACE_EXIT, NR_KINDS };

static const char * const names[NR_KINDS] = { "", "null_hypercall", "userspace_exit" };

/* Intel has VMCALL, AMD and QEMU's emulation have VMMCALL. */
static bool intel;
static __u64 ticks[NR_KINDS][BENCH_BATCHES];
static __u8 stack[16384] __attribute__((aligned(16)));

/* The first GiB, mapped to itself */
static __u64 pml4[512] __attribute__((aligned(PAGE_SIZE)));
static __u64 pdpt[512] __attribute__((aligned(PAGE_SIZE)));
static __u64 pd[512] __attribute__((aligned(PAGE_SIZE)));

extern __u8 __executable_start[];
extern __u8 _end[];

/* The guest. */

static __u64 rdtsc(void)
{
	__u32 low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (__u64)high << 32 | low;
}

/* A batch of @instruction, in a loop of two instructions that is the same for all kinds */
#define MEASURE(instruction)						\
({									\
	__u64 start_ = rdtsc();						\
									\
	asm volatile("mov %0, %%ebx\n"					\
		     "1: mov %1, %%eax\n"				\
		     instruction "\n"					\
		     "dec %%ebx\n"					\
		     "jnz 1b"						\
		     : : "i"(BENCH_BATCH), "i"(NULL_HYPERCALL), "d"(PORT_EXIT)	\
		     : "rax", "rbx", "memory");				\
	rdtsc() - start_;						\
})

static void guest_main(void)
{
	int i, batch;

	for (i = -BENCH_WARMUP; i < BENCH_BATCHES; i++) {
		batch = i < 0 ? 0 : i;
		ticks[EMPTY_LOOP][batch] = MEASURE("");
		ticks[HYPERCALL][batch] = intel ? MEASURE("vmcall") : MEASURE("vmmcall");
		ticks[USERSPACE_EXIT][batch] = MEASURE("out %%al, %%dx");
	}
	asm volatile("out %%al, %%dx" : : "a"(0), "d"(PORT_DONE));
}

/* The VMM. */

static void __attribute__((noreturn)) fail(const char *what)
{
	fprintf(stderr, "bench-off: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int xioctl(int fd, unsigned long cmd, const char *name, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	if (ret < 0)
		fail(name);
	return ret;
}

#define IOCTL(fd, cmd, arg)	xioctl(fd, cmd, #cmd, arg)

static void set_memory(int vm)
{
	unsigned long start = (unsigned long)__executable_start & -PAGE_SIZE;
	unsigned long end = ((unsigned long)_end + PAGE_SIZE - 1) & -PAGE_SIZE;
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = start,
		.memory_size = end - start,
		.userspace_addr = start,
	};
	int i;

	IOCTL(vm, KVM_SET_USER_MEMORY_REGION, &region);
	pml4[0] = (unsigned long)pdpt | PTE_TABLE;
	pdpt[0] = (unsigned long)pd | PTE_TABLE;
	for (i = 0; i < 512; i++)
		pd[i] = i * HUGE_PAGE_SIZE | PTE_LEAF_2M;
}

static void set_cpuid(int kvm, int vcpu)
{
	struct kvm_cpuid2 *cpuid;
	__u32 i;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));
	if (!cpuid)
		fail("memory");
	cpuid->nent = CPUID_ENTRIES;
	IOCTL(kvm, KVM_GET_SUPPORTED_CPUID, cpuid);
	IOCTL(vcpu, KVM_SET_CPUID2, cpuid);
	for (i = 0; i < cpuid->nent; i++)
		if (!cpuid->entries[i].function)
			intel = cpuid->entries[i].ebx == INTEL_EBX;
	free(cpuid);
}

/* 64-bit, CPL 0, interrupts off; segments need no table, as none is loaded. */
static void set_registers(int vcpu)
{
	struct kvm_regs regs = {
		.rip = (unsigned long)guest_main,
		.rsp = (unsigned long)stack + sizeof(stack) - 8,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_segment code = {
		.limit = ~0, .selector = 0x08, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = ~0, .selector = 0x10, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	IOCTL(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr0 |= CR0_PE | CR0_PG;
	sregs.cr3 = (unsigned long)pml4;
	sregs.cr4 |= CR4_PAE;
	sregs.efer |= EFER_LME | EFER_LMA;
	sregs.cs = code;
	sregs.ss = data;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	IOCTL(vcpu, KVM_SET_SREGS, &sregs);
	IOCTL(vcpu, KVM_SET_REGS, &regs);
}

static void run(int vcpu, struct kvm_run *run)
{
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				continue;
			fail("KVM_RUN");
		}
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "bench-off: exit reason %u\n", run->exit_reason);
			exit(EXIT_FAILURE);
		}
		if (run->io.port == PORT_DONE)
			return;
	}
}

int main(void)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int kvm, vm, vcpu, kind;
	struct kvm_run *shared;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		fail("/dev/kvm");
	vm = IOCTL(kvm, KVM_CREATE_VM, NULL);
	IOCTL(vm, KVM_ENABLE_CAP, &split);
	set_memory(vm);
	vcpu = IOCTL(vm, KVM_CREATE_VCPU, NULL);
	set_cpuid(kvm, vcpu);
	set_registers(vcpu);
	shared = mmap(NULL, IOCTL(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE,
		      MAP_SHARED, vcpu, 0);
	if (shared == MAP_FAILED)
		fail("mmap of the vCPU");

	sleep(BENCH_SETTLE_SECONDS);
	run(vcpu, shared);

	for (kind = EMPTY_LOOP + 1; kind < NR_KINDS; kind++)
		bench_report(names[kind], ticks[kind], ticks[EMPTY_LOOP]);
	printf("tsc_khz %d\n", ioctl(vcpu, KVM_GET_TSC_KHZ, 0));
	return 0;
}
