/* capture_file.c: reads captures with libpcap and takes the link's header off: Ethernet, Linux cooked (1 and 2), raw IP. */
#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>
#include "cli/capture_file.h"
#include "util/mem.h"

enum { NS = 1000000000, IP4 = 0x0800, IP6 = 0x86dd };

struct link_header {
	int dlt;
	uint32_t size;
	int ethertype_at; /* -1: what follows is IP of the version it says itself */
};
static const struct link_header links[] = {
	{ DLT_EN10MB, 14, 12 }, { DLT_LINUX_SLL, 16, 14 }, { DLT_LINUX_SLL2, 20, 0 },
	{ DLT_RAW, 0, -1 },     { DLT_IPV4, 0, -1 },       { DLT_IPV6, 0, -1 },
};

struct capture_file {
	pcap_t *pcap;
	const struct link_header *link;
	uint64_t n;
};

int capture_file_open(const char *file, struct capture_file **ret, struct err *e)
{
	struct capture_file *f = xcalloc(1, sizeof(*f));
	char why[PCAP_ERRBUF_SIZE] = "";
	int r = 0, dlt;

	f->pcap = pcap_open_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!f->pcap) {
		/* libpcap names the file in some of its sentences */
		r = err_set(e, -EINVAL, "%s%s%s: a capture is wanted, as tcpdump -w writes it",
			    strstr(why, file) ? "" : file, strstr(why, file) ? "" : ": ", why);
		goto out;
	}
	dlt = pcap_datalink(f->pcap);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (links[i].dlt == dlt)
			f->link = &links[i];
	if (!f->link) {
		const char *name = pcap_datalink_val_to_name(dlt);

		r = err_set(e, -EINVAL,
			    "%s: packets of link type %s (%d) cannot be read; Ethernet, Linux cooked and raw IP can",
			    file, name ? name : "unknown", dlt);
		goto out;
	}
	*ret = TAKE_PTR(f);
out:
	capture_file_close(&f);
	return r;
}

void capture_file_close(struct capture_file **f)
{
	if (!f || !*f)
		return;
	if ((*f)->pcap)
		pcap_close((*f)->pcap);
	free(*f);
	*f = NULL;
}

int capture_file_next(struct capture_file *f, struct captured *ret, struct err *e)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	uint32_t skip = f->link->size;
	int r = pcap_next_ex(f->pcap, &h, &data);

	if (r == PCAP_ERROR_BREAK)
		return 0;
	if (r != 1)
		return err_set(e, -EIO, "behind packet %llu the capture is broken: %s", (unsigned long long)f->n,
			       pcap_geterr(f->pcap));
	f->n++;
	*ret = (struct captured){ .time_ns = (uint64_t)h->ts.tv_sec * NS + (uint64_t)h->ts.tv_usec };
	/* A record may claim to hold more than the packet was. */
	ret->captured_len = h->caplen < h->len ? h->caplen : h->len;
	ret->len = h->len;
	if (ret->captured_len < skip)
		skip = ret->captured_len;
	else if (f->link->ethertype_at >= 0)
		ret->ethertype = (uint16_t)(data[f->link->ethertype_at] << 8 | data[f->link->ethertype_at + 1]);
	else
		ret->ethertype = ret->captured_len && data[0] >> 4 == 6 ? IP6 : IP4;
	ret->l3 = data + skip;
	ret->captured_len -= skip;
	ret->len -= skip;
	return 1;
}
