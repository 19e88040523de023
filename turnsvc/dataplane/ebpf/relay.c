//go:build ignore

/* The data of bound channels, from the network card and back to it.
 *
 *   1 read     an Ethernet frame with a whole UDP datagram for this machine
 *   2 find     its step, by who sends it to whom and in which channel
 *   3 measure  it fits where it goes, and into the bitrate
 *   4 rewrite  (rewrite.h) ChannelData's header away or there, new addresses, checksum
 *   5 send     to the next hop
 *
 * Whatever is not so goes on to user space as it came, up to 3. From 4 on it is
 * changed, and can only be sent or lost; legs count both.
 *
 * The kernel keeps a checksum in one of two ways, and does not say which:
 *
 *   whole    as on the wire. It is corrected by what changes (RFC 1624): what
 *            was damaged stays so. The headers are moved towards the data.
 *   partial  of the pseudo header alone; the card, or nobody if the way ends on
 *            this machine, adds the rest from the UDP header on. Where that is
 *            the kernel has noted as a place in memory: so there the UDP header
 *            stays, and the data are moved. The kernel corrects the sum.
 *
 * A whole sum may look like a partial one by chance; what is done for a partial
 * one is right for it, too. */
#include "relay.h"
#include "rewrite.h"

char _license[] SEC("license") = "Dual MIT/GPL";

/* ---- 1 read ---- */

/* linear makes the first bytes of the frame readable, if there are so many. */
inlined int linear(struct __sk_buff *skb, __u32 bytes)
{
	if ((__u64)skb->data + bytes <= (__u64)skb->data_end)
		return 1;
	return skb->len >= bytes && bpf_skb_pull_data(skb, bytes) == 0;
}

/* read_udp wants a datagram that fills its packet. A checksum of 0 is none,
 * which only IPv4 permits. */
inlined int read_udp(struct __sk_buff *skb, const struct udphdr *udp, struct packet *p)
{
	p->udp_len = udp->len;
	p->check = udp->check;
	p->key.from_port = udp->source;
	p->key.to_port = udp->dest;
	p->bytes = be16(udp->len) - sizeof(*udp);
	return be16(udp->len) >= sizeof(*udp) && be16(udp->len) == p->all_bytes - p->ip_bytes &&
	       ETH_HLEN + p->all_bytes <= skb->len && (p->check || p->key.family == V4);
}

inlined int read_ipv4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr *ip;
	struct udphdr *udp;

	if (!linear(skb, ETH_HLEN + sizeof(*ip) + sizeof(*udp)))
		return 0;
	ip = (void *)(__u64)skb->data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(__u64)skb->data_end)
		return 0;
	/* no options, no fragment, and what the kernel would not drop */
	if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_UDP || ip->frag_off & be16(IP_MF | IP_OFFSET) || sum_header(ip) != 0xffff)
		return 0;
	p->key.family = V4;
	p->key.from.word[0] = ip->saddr;
	p->key.to.word[0] = ip->daddr;
	p->ip_bytes = sizeof(*ip);
	p->all_bytes = be16(ip->tot_len);
	p->class = ip->tos;
	return read_udp(skb, udp, p);
}

inlined int read_ipv6(struct __sk_buff *skb, struct packet *p)
{
	struct ipv6hdr *ip;
	struct udphdr *udp;

	if (!linear(skb, ETH_HLEN + sizeof(*ip) + sizeof(*udp)))
		return 0;
	ip = (void *)(__u64)skb->data + ETH_HLEN;
	udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > (void *)(__u64)skb->data_end)
		return 0;
	/* no extension header: fragments have one */
	if ((be32(ip->version_class_flow) >> 28) != 6 || ip->nexthdr != IPPROTO_UDP)
		return 0;
	p->key.family = V6;
	__builtin_memcpy(&p->key.from, ip->saddr, sizeof(p->key.from));
	__builtin_memcpy(&p->key.to, ip->daddr, sizeof(p->key.to));
	p->ip_bytes = sizeof(*ip);
	p->all_bytes = sizeof(*ip) + be16(ip->payload_len);
	p->class = be32(ip->version_class_flow) >> 20;
	return read_udp(skb, udp, p);
}

/* read_channel reads the header of ChannelData (RFC 8656 12.4), if that is what
 * the datagram seems to be. Up to three bytes of padding may follow the data. */
inlined int read_channel(struct __sk_buff *skb, struct packet *p)
{
	__u32 at = ETH_HLEN + p->ip_bytes + sizeof(struct udphdr);
	struct channel_header header;
	__u32 length, padded;
	__u8 pad[4] = {};

	if (p->bytes < sizeof(header) || bpf_skb_load_bytes(skb, at, &header, sizeof(header)))
		return 0;
	length = be16(header.length);
	padded = p->bytes - sizeof(header) - length;
	if ((be16(header.number) >> 12) != 4 || length > p->bytes - sizeof(header) || padded > (-length & 3))
		return 0;
	if (padded) {
		at += sizeof(header) + length;
		if (padded == 3 ? bpf_skb_load_bytes(skb, at, pad, 3) : padded == 2 ? bpf_skb_load_bytes(skb, at, pad, 2) : bpf_skb_load_bytes(skb, at, pad, 1))
			return 0;
		p->padding = fold((__u64)*(__u16 *)pad + *(__u16 *)(pad + 2));
		if (length & 1) /* its bytes are the other ones of their words */
			p->padding = __builtin_bswap16(p->padding);
		p->padded = padded;
	}
	p->key.channel = header.number;
	p->length = header.length;
	p->bytes = length;
	return 1;
}

/* ---- 2 find ---- */

inlined struct step *find(struct __sk_buff *skb, struct packet *p)
{
	struct step *s;
	__u32 bytes;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->gso_size)
		return 0;
	if (skb->protocol == be16(ETH_P_IP)) {
		if (!read_ipv4(skb, p))
			return 0;
	} else if (skb->protocol != be16(ETH_P_IPV6) || !read_ipv6(skb, p)) {
		return 0;
	}
	bytes = p->bytes;
	if (read_channel(skb, p)) {
		s = bpf_map_lookup_elem(&steps, &p->key);
		if (s)
			return s;
		p->key.channel = 0; /* a peer may send what looks like ChannelData */
		p->length = 0;
		p->padding = 0;
		p->padded = 0;
		p->bytes = bytes;
	}
	return bpf_map_lookup_elem(&steps, &p->key);
}

/* ---- 3 measure ---- */

/* take is bucket.take of turnsvc. */
inlined int take(const struct leg *leg, const struct settings *set, __u64 bytes, __u64 now)
{
	__u64 *full = bpf_map_lookup_elem(&buckets, &leg->bucket);
	__u64 before, after;

	if (!full)
		return 0;
#pragma unroll
	for (int tries = 0; tries < 4; tries++) {
		before = *(volatile __u64 *)full;
		after = (before > now ? before : now) + bytes * 8 * 1000000000ULL / set->bitrate;
		if (after > now + set->burst)
			return 0;
		if (__sync_val_compare_and_swap(full, before, after) == before)
			return 1;
	}
	return 1; /* four others were quicker: this one is free */
}

inlined struct count *count_of(const struct leg *leg)
{
	return bpf_map_lookup_elem(&counts, &leg->count);
}

/* within reports whether the bitrate lets the data pass, on both legs. */
inlined int within(const struct step *s, const struct settings *set, __u32 bytes)
{
	struct count *c;
	__u64 now;

	if (!set->bitrate)
		return 1;
	now = bpf_ktime_get_ns();
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (s->legs[i].count == NO_LEG || take(&s->legs[i], set, bytes, now))
			continue;
		c = count_of(&s->legs[i]);
		if (c)
			__sync_fetch_and_add(&c->limited, 1);
		return 0;
	}
	return 1;
}

inlined void note(const struct step *s, __u32 bytes)
{
	struct count *c;

#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (s->legs[i].count == NO_LEG)
			continue;
		c = count_of(&s->legs[i]);
		if (c) {
			__sync_fetch_and_add(&c->packets, 1);
			__sync_fetch_and_add(&c->bytes, bytes);
		}
	}
}

inlined void note_loss(const struct step *s)
{
	struct count *c = count_of(&s->legs[0]);

	if (c)
		__sync_fetch_and_add(&c->lost, 1);
}

/* ---- 5 send ---- */

inlined int send(const struct step *s)
{
	struct bpf_redir_neigh next = {.nh_family = s->next_family == V4 ? AF_INET : AF_INET6};

	__builtin_memcpy(next.nexthop, &s->next, sizeof(next.nexthop));
	return bpf_redirect_neigh(s->ifindex, &next, sizeof(next), 0);
}

SEC("tcx/ingress")
int relay(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&configured, &zero);
	struct packet p = {};
	struct step *s;
	int partial;
	long failed;

	s = find(skb, &p);
	if (!s || !set || ip_bytes(s) + udp_bytes(s, &p) > s->mtu)
		return TCX_NEXT;
	if (!p.check && s->family == V6)
		return TCX_NEXT; /* who has no checksum cannot be given one cheaply */
	partial = p.check && looks_partial(&p);
	if (partial && p.bytes > MAX_MOVED_BYTES)
		return TCX_NEXT;
	if (!within(s, set, p.bytes))
		return TCX_DROP;

	/* what pads the frame, or ChannelData, is not sent on */
	failed = skb->len > ETH_HLEN + p.all_bytes - p.padded && bpf_skb_change_tail(skb, ETH_HLEN + p.all_bytes - p.padded, 0);
	if (!failed)
		failed = partial ? rewrite_partial(skb, &p, s, set) : rewrite_whole(skb, &p, s, set);
	if (unlikely(failed)) {
		note_loss(s);
		return TCX_DROP;
	}
	note(s, p.bytes);
	return send(s);
}
