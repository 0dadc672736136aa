// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's side of VMPLs. See vmpl_guest.h.
 */
#include "vmpl_guest.h"

#define GHCB_VERSION	2

/* APM volume 2, chapter 7.8: the PAT after reset. x87 and MXCSR are as after FNINIT. */
#define PAT_RESET	0x0007040600070406ULL
#define FCW_INIT	0x37f
#define MXCSR_INIT	0x1f80
#define XCR0_X87	1
#define DR6_RESET	0xffff0ff0ULL
#define DR7_RESET	0x400

#define EFER_MSR	0xc0000080
#define ATTRIB_CODE	0xa9b	/* present, code, 64-bit, 4 KiB units */
#define ATTRIB_DATA	0xc93
#define ATTRIB_LDT	0x082
#define ATTRIB_TSS_BUSY	0x08b

struct ghcb vmpl_ghcbs[GUEST_PLANES];
struct vmpl_rmpadjust vmpl_rmpadjust_request;

asm(".pushsection .text\n"
	"	.globl vmpl_vmgexit\n"
	"vmpl_vmgexit:\n"
	"	rep; vmmcall\n"
	"	ret\n"
	".popsection\n");

static struct ghcb *ghcb(void)
{
	return &vmpl_ghcbs[guest_plane()];
}

struct guest_regs vmpl_vmgexit_regs(void)
{
	return (struct guest_regs) {
		.rflags = X86_RFLAGS_FIXED,
		.cs = GUEST_CS,
		.ss = GUEST_DS,
		.rip = (unsigned long)vmpl_vmgexit,
	};
}

__u64 vmpl_msr_request(__u64 request)
{
	__u64 before = rdmsr(GHCB_MSR);
	__u64 answer;

	wrmsr(GHCB_MSR, request);
	vmpl_vmgexit();
	answer = rdmsr(GHCB_MSR);
	wrmsr(GHCB_MSR, before);
	return answer;
}

__u32 vmpl_run_by_msr(int vmpl)
{
	__u64 answer = vmpl_msr_request((__u64)vmpl << GHCB_MSR_VMPL_SHIFT | GHCB_MSR_RUN_VMPL);

	GUEST_ASSERT_EQ((__u32)answer, GHCB_MSR_RUN_VMPL_ANSWER);
	return answer >> GHCB_MSR_ERROR_SHIFT;
}

__u64 vmpl_features_by_msr(void)
{
	__u64 answer = vmpl_msr_request(GHCB_MSR_FEATURES);

	GUEST_ASSERT_EQ(answer & GHCB_MSR_INFO, GHCB_MSR_FEATURES_ANSWER);
	return answer >> GHCB_MSR_FEATURES_SHIFT;
}

void vmpl_enable_ghcb(void)
{
	ghcb()->version = GHCB_VERSION;
	wrmsr(GHCB_MSR, (unsigned long)ghcb());
}

void vmpl_fill_ghcb(__u64 code, __u64 info_1, __u64 info_2)
{
	volatile struct ghcb *page = ghcb();

	page->version = GHCB_VERSION;
	page->usage = 0;
	page->sw_exit_code = code;
	page->sw_exit_info_1 = info_1;
	page->sw_exit_info_2 = info_2;
	page->valid_bitmap[0] = 0;
	page->valid_bitmap[1] = GHCB_VALID_1;
}

struct ghcb_answer vmpl_read_ghcb(void)
{
	volatile struct ghcb *page = ghcb();

	GUEST_ASSERT_EQ(page->valid_bitmap[0], 0);
	GUEST_ASSERT_EQ(page->valid_bitmap[1], GHCB_VALID_INFO);
	return (struct ghcb_answer) { page->sw_exit_info_1, page->sw_exit_info_2 };
}

struct ghcb_answer vmpl_ghcb_request(__u64 code, __u64 info_1, __u64 info_2)
{
	vmpl_fill_ghcb(code, info_1, info_2);
	vmpl_vmgexit();
	return vmpl_read_ghcb();
}

struct ghcb_answer vmpl_run(int vmpl)
{
	return vmpl_ghcb_request(GHCB_RUN_VMPL, vmpl, 0);
}

void vmpl_run_ok(int vmpl)
{
	struct ghcb_answer answer = vmpl_run(vmpl);

	GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
	GUEST_ASSERT_EQ(answer.info_2, 0);
}

__u64 vmpl_features(void)
{
	struct ghcb_answer answer = vmpl_ghcb_request(GHCB_HV_FEATURES, 0, 0);

	GUEST_ASSERT_EQ(answer.info_1, GHCB_OK);
	return answer.info_2;
}

void vmpl_run_forever(int vmpl)
{
	vmpl_enable_ghcb();
	for (;;)
		vmpl_run_ok(vmpl);
}

void vmpl_run_0_forever(void)
{
	vmpl_run_forever(0);
}

struct ghcb_answer vmpl_ap_create(int request, int vmpl, struct vmsa *vmsa)
{
	volatile struct ghcb *page = ghcb();

	/* APIC id 0: the vCPU that there is. */
	vmpl_fill_ghcb(GHCB_AP_CREATE, request | (__u64)vmpl << GHCB_AP_VMPL_SHIFT,
		       (unsigned long)vmsa);
	page->rax = vmsa->sev_features;
	page->valid_bitmap[0] = GHCB_VALID_0;
	vmpl_vmgexit();
	return vmpl_read_ghcb();
}

struct ghcb_answer vmpl_doorbell(int operation, __u64 gpa)
{
	return vmpl_ghcb_request(GHCB_HV_DOORBELL, operation, gpa);
}

void vmpl_fill_vmsa(struct vmsa *vmsa, int vmpl, guest_code_t entry)
{
	const struct guest_tables *tables = &guest_tables[vmpl];
	const struct vmsa_segment data = { GUEST_DS, ATTRIB_DATA, 0xffffffff, 0 };

	*vmsa = (struct vmsa) {
		.es = data, .ss = data, .ds = data, .fs = data, .gs = data,
		.cs = { GUEST_CS, ATTRIB_CODE, 0xffffffff, 0 },
		.gdtr = { 0, 0, sizeof(tables->gdt) - 1, (unsigned long)tables->gdt },
		.ldtr = { GUEST_LDTR, ATTRIB_LDT, sizeof(tables->ldt) - 1,
			  (unsigned long)tables->ldt },
		.idtr = { 0, 0, sizeof(tables->idt) - 1, (unsigned long)tables->idt },
		.tr = { GUEST_TR, ATTRIB_TSS_BUSY, sizeof(tables->tss) - 1,
			(unsigned long)&tables->tss },
		.vmpl = vmpl,
		.efer = rdmsr(EFER_MSR) | EFER_SVME,
		.cr0 = read_cr0(),
		.cr3 = (unsigned long)tables->pml4,
		.cr4 = read_cr4(),
		.dr6 = DR6_RESET,
		.dr7 = DR7_RESET,
		.rflags = X86_RFLAGS_FIXED,
		.rip = (unsigned long)entry,
		/* As after a CALL */
		.rsp = (unsigned long)guest_stacks[vmpl] + GUEST_STACK_SIZE - 8,
		.g_pat = PAT_RESET,
		.xcr0 = XCR0_X87,
		.mxcsr = MXCSR_INIT,
		.x87_fcw = FCW_INIT,
	};
}

/* The VMM knows what is meant by where it is. */
void vmpl_rmpadjust(__u64 gpa, __u64 size, int vmpl, int may)
{
	vmpl_rmpadjust_request = (struct vmpl_rmpadjust) { gpa, size, vmpl, may };
	guest_sync((unsigned long)&vmpl_rmpadjust_request);
}

void svsm_put_call(struct svsm_ca *ca, const struct svsm_call *call)
{
	ca->regs = *call;
	__atomic_store_n(&ca->call_pending, 1, __ATOMIC_RELEASE);
}

/* What is still pending, nobody has looked at; its registers are no answer. */
bool svsm_get_answer(struct svsm_ca *ca, struct svsm_call *call)
{
	if (__atomic_exchange_n(&ca->call_pending, 0, __ATOMIC_ACQ_REL))
		return false;

	*call = ca->regs;
	return true;
}

bool svsm_make_call(struct svsm_ca *ca, struct svsm_call *call)
{
	svsm_put_call(ca, call);
	vmpl_run_ok(0);
	return svsm_get_answer(ca, call);
}

bool svsm_make_call_by_msr(struct svsm_ca *ca, struct svsm_call *call)
{
	svsm_put_call(ca, call);
	GUEST_ASSERT_EQ(vmpl_run_by_msr(0), 0);
	return svsm_get_answer(ca, call);
}
