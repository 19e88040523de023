package address

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// setting is how the names of settings begin.
const setting = "WASMP2PCHAT_"

// Contradiction is a disagreement about where clients reach this server.
type Contradiction struct {
	About  string // what disagrees: "PUBLIC_IPS", "sources", "DNS" or "visitors"
	Family Family
	Text   string // which source says what, and what to do
}

// contradictions lists what disagrees with what clients are told.
func (v *view) contradictions(told Addresses) []Contradiction {
	var list []Contradiction
	add := func(about string, f Family, text string) {
		if text != "" {
			list = append(list, Contradiction{about, f, text})
		}
	}
	for _, f := range families() {
		c := *told.Of(f)
		if len(v.publicIPs) > 0 {
			add("PUBLIC_IPS", f, v.againstOperator(f, c))
		} else {
			add("sources", f, v.againstChoice(f, c))
		}
		add("DNS", f, v.againstDNS(f, c))
		add("visitors", f, v.againstVisitors(f, c))
	}
	return list
}

// worldly keeps the addresses of a family that the world reaches.
func (v *view) worldly(f Family, addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(f.only(addrs), func(a netip.Addr) bool { return v.reach(a) != reachWorld })
}

// againstOperator says who disagrees with PUBLIC_IPS, unless somebody agrees.
// What an interface says counts only against a public address: a private one is
// there on purpose, as long as nobody outside sees another.
func (v *view) againstOperator(f Family, c Choice) string {
	var against []report
	for _, r := range v.reports {
		says := v.worldly(f, r.addrs)
		switch {
		case len(c.Addrs) == 0 || len(says) == 0 || r.kind == kindDNS:
		case meet(says, c.Addrs):
			return ""
		case r.kind != kindInterfaces || !c.Private:
			against = append(against, report{r.name, r.kind, says})
		}
	}
	if len(against) == 0 {
		return ""
	}
	right := against[0]
	for _, r := range against {
		if trust(r.kind, reachWorld) > trust(right.kind, reachWorld) {
			right = r
		}
	}
	return fmt.Sprintf("PUBLIC_IPS says %s, but %s: set %sPUBLIC_IPS=%s or remove it",
		join(c.Addrs), sentence(against), setting, right.addrs[0])
}

// againstChoice says which sources see this machine elsewhere than at the
// address that was chosen. An address that an interface or the cloud knows is
// one of ours, though not the chosen one.
func (v *view) againstChoice(f Family, c Choice) string {
	if len(c.Addrs) == 0 {
		return ""
	}
	var against []report
	for _, r := range v.reports {
		says := v.worldly(f, r.addrs)
		if r.kind != kindDNS && len(says) > 0 && !meet(says, v.known(c, r.name)) {
			against = append(against, report{r.name, r.kind, says})
		}
	}
	if len(against) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, but %s: set %sPUBLIC_IPS to the one that visitors reach",
		say(c.By, join(c.Addrs)), sentence(against), setting)
}

// againstDNS says that the name of this server leads elsewhere.
func (v *view) againstDNS(f Family, c Choice) string {
	for _, r := range v.reports {
		says := f.only(r.addrs)
		if r.kind != kindDNS || len(says) == 0 || meet(says, v.known(c, r.name)) {
			continue
		}
		dns := fmt.Sprintf("DNS of %s says %s %s", v.domain, f.record(), join(says))
		if len(c.Addrs) == 0 {
			return fmt.Sprintf("%s, but this machine has no %s address that visitors reach: remove the %s record, or name the proxy in %sTRUSTED_PROXIES",
				dns, f, f.record(), setting)
		}
		return fmt.Sprintf("%s, this machine is %s (%s): set the %s record to %s, or name the proxy in %sTRUSTED_PROXIES",
			dns, join(c.Addrs), strings.Join(c.By, ", "), f.record(), c.Addrs[0], setting)
	}
	return ""
}

// againstVisitors says that enough visitors reached this server at an address
// that nobody else knows. A private one counts only if a private one is told:
// visitors from inside take other ways.
func (v *view) againstVisitors(f Family, c Choice) string {
	known := v.known(c, "")
	for _, r := range v.reports {
		known = append(known, r.addrs...)
	}
	for _, visit := range v.visited {
		if len(c.Addrs) == 0 || !f.has(visit.at) || slices.Contains(known, visit.at) || v.reach(visit.at) < reachWorld && !c.Private {
			continue
		}
		return fmt.Sprintf("visitors of %d networks reached this server at %s, but it says that it is %s: if that is true, add it to %sPUBLIC_IPS",
			visit.networks, visit.at, join(c.Addrs), setting)
	}
	return ""
}

// known lists what is surely this machine: what is told, and what the
// interfaces and the cloud say, without the source that is examined.
func (v *view) known(c Choice, without string) []netip.Addr {
	list := slices.Clone(c.Addrs)
	for _, r := range v.reports {
		if r.kind == kindMetadata && r.name != without {
			list = append(list, r.addrs...)
		}
	}
	if without != interfacesName {
		list = append(list, v.interfaces...)
	}
	return list
}

// meet tells whether two lists have an address in common.
func meet(a, b []netip.Addr) bool {
	return slices.ContainsFunc(a, func(addr netip.Addr) bool { return slices.Contains(b, addr) })
}

// sentence writes who says what; those that say the same stand together.
func sentence(reports []report) string {
	var said []string
	sayers := map[string][]string{}
	for _, r := range reports {
		text := join(r.addrs)
		if len(sayers[text]) == 0 {
			said = append(said, text)
		}
		sayers[text] = append(sayers[text], r.name)
	}
	for i, text := range said {
		said[i] = say(sayers[text], text)
	}
	return strings.Join(said, ", ")
}

// say writes that sources say something.
func say(names []string, text string) string {
	verb := " says "
	if len(names) > 1 || names[0] == interfacesName {
		verb = " say "
	}
	return strings.Join(names, " and ") + verb + text
}
