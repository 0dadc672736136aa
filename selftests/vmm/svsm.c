// SPDX-License-Identifier: GPL-2.0
/*
 * The test SVSM. See svsm.h.
 *
 * A real one has memory of its own, all of it out of the guest's reach. This one shares a program
 * with the guest: its data, stack, tables, GHCB and the VMSA are out of reach, and its code and
 * constants cannot be changed.
 */
#include "svsm.h"

#define PAGE		4096UL
#define PAGE_START(a)	((unsigned long)(a) & -PAGE)

struct svsm_secrets svsm_secrets;
struct svsm_private svsm_private;
static struct svsm_ca first_ca __attribute__((aligned(4096)));
static struct vmsa vmsa;
static guest_code_t guest_entry;

extern __u8 __executable_start[];
extern __u8 __data_start[];
extern __u8 _end[];

static const struct {
	const void *start;
	__u64 size;
} private_memory[] = {
	{ &svsm_private, sizeof(svsm_private) },
	{ &vmsa, sizeof(vmsa) },
	{ &vmpl_ghcbs[0], sizeof(vmpl_ghcbs[0]) },
	{ guest_stacks[0], sizeof(guest_stacks[0]) },
	{ &guest_tables[0], sizeof(guest_tables[0]) },
};

#define NR_PRIVATE	(sizeof(private_memory) / sizeof(private_memory[0]))

static void protect(void)
{
	unsigned long constant = PAGE_START(__executable_start);
	unsigned int i, vmpl;

	for (vmpl = 1; vmpl < GUEST_PLANES; vmpl++) {
		for (i = 0; i < NR_PRIVATE; i++)
			vmpl_rmpadjust((unsigned long)private_memory[i].start,
				       private_memory[i].size, vmpl, 0);
		vmpl_rmpadjust(constant, PAGE_START(__data_start) - constant, vmpl,
			       VMPL_MAY_READ | VMPL_MAY_EXECUTE);
	}
}

/* Whether the guest may write to the page there: the SVSM does so for it. */
static bool is_guest_memory(unsigned long address)
{
	unsigned int i;

	if (address < PAGE_START(__data_start) || address >= PAGE_START(_end))
		return false;
	for (i = 0; i < NR_PRIVATE; i++) {
		unsigned long start = (unsigned long)private_memory[i].start;

		if (address >= start && address < start + private_memory[i].size)
			return false;
	}
	return true;
}

static __u32 remap_ca(const struct svsm_call *call)
{
	if (call->rcx % 8 || call->rcx % PAGE > PAGE - sizeof(struct svsm_ca))
		return SVSM_INVALID_PARAMETER;
	if (!is_guest_memory(call->rcx))
		return SVSM_INVALID_ADDRESS;
	svsm_private.ca = (struct svsm_ca *)call->rcx;
	return SVSM_OK;
}

/* RCX: protocol << 32 | version asked for; then the highest << 32 | the lowest there is, or 0 */
static __u32 query_protocol(struct svsm_call *call)
{
	__u32 protocol = call->rcx >> 32;
	__u32 version = call->rcx;

	if ((protocol == SVSM_CORE || protocol == SVSM_SEAL) && version == SVSM_VERSION)
		call->rcx = (__u64)SVSM_VERSION << 32 | SVSM_VERSION;
	else
		call->rcx = 0;
	return SVSM_OK;
}

static __u32 core_protocol(struct svsm_call *call, __u32 function)
{
	switch (function) {
	case SVSM_CORE_REMAP_CA:
		return remap_ca(call);
	case SVSM_CORE_QUERY_PROTOCOL:
		return query_protocol(call);
	default:
		return SVSM_UNSUPPORTED_CALL;
	}
}

/* An example of a seal, not a good one */
__u64 svsm_seal(__u64 key, __u64 number, __u64 counter)
{
	__u64 state = key;

	state = guest_random(&state) ^ number;
	state = guest_random(&state) ^ counter;
	return guest_random(&state) ^ key;
}

static __u32 count(struct svsm_call *call)
{
	if (call->rdx || call->r8 || call->r9)
		return SVSM_INVALID_PARAMETER;
	svsm_private.counter++;
	call->rdx = svsm_seal(svsm_private.key, call->rcx, svsm_private.counter);
	call->rcx = svsm_private.counter;
	return SVSM_OK;
}

static __u32 check(const struct svsm_call *call)
{
	if (!call->rdx || call->rdx > svsm_private.counter || call->r9)
		return SVSM_INVALID_PARAMETER;
	if (call->r8 != svsm_seal(svsm_private.key, call->rcx, call->rdx))
		return SVSM_SEAL_WRONG;
	return SVSM_OK;
}

static __u32 seal_protocol(struct svsm_call *call, __u32 function)
{
	switch (function) {
	case SVSM_SEAL_COUNT:
		return count(call);
	case SVSM_SEAL_CHECK:
		return check(call);
	default:
		return SVSM_UNSUPPORTED_CALL;
	}
}

static __u32 handle(struct svsm_call *call)
{
	__u32 function = call->rax;

	switch (call->rax >> 32) {
	case SVSM_CORE:
		return core_protocol(call, function);
	case SVSM_SEAL:
		return seal_protocol(call, function);
	default:
		return SVSM_UNSUPPORTED_PROTOCOL;
	}
}

/* Answered in the calling area that it came by. Without a call VMPL 0 was run for nothing. */
static void serve(void)
{
	struct svsm_ca *ca = svsm_private.ca;
	struct svsm_call call;

	if (!__atomic_exchange_n(&ca->call_pending, 0, __ATOMIC_ACQ_REL))
		return;

	/* Read once: what is in the guest's memory may change. */
	call = *(volatile struct svsm_call *)&ca->regs;
	call.rax = handle(&call);
	ca->regs = call;
}

static void create_guest(void)
{
	struct ghcb_answer answer;

	vmpl_fill_vmsa(&vmsa, SVSM_VMPL, guest_entry);
	answer = vmpl_ap_create(GHCB_AP_CREATE_NOW, SVSM_VMPL, &vmsa);
	GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
}

static void svsm(void)
{
	const __u64 features = GHCB_FEATURE_AP_CREATION | GHCB_FEATURE_MULTI_VMPL;

	GUEST_ASSERT_EQ(vmpl_features_by_msr() & features, features);
	vmpl_enable_ghcb();
	svsm_private.key = read_tsc() * 0x9e3779b97f4a7c15ULL | 1;
	svsm_private.ca = &first_ca;
	svsm_secrets = (struct svsm_secrets) {
		.svsm_base = (unsigned long)&svsm_private,
		.svsm_size = sizeof(svsm_private),
		.svsm_caa = (unsigned long)&first_ca,
		.svsm_max_version = SVSM_VERSION,
		.svsm_guest_vmpl = SVSM_VMPL,
	};
	protect();
	create_guest();
	for (;;) {
		vmpl_run_ok(SVSM_VMPL);
		serve();
	}
}

/* The VMM. */

void svsm_start(struct vmpl *vmpl, guest_code_t guest)
{
	guest_entry = guest;
	vm_start(vmpl->vm, 0, svsm);
	vm_prepare(SVSM_VMPL);
}
