package doctor

import (
	"fmt"
	"net/netip"
	"strings"
)

// setting is how the names of settings begin.
const setting = "WASMP2PCHAT_"

// openPort is the rule that lets clients in. It is inserted, for what stands
// behind a rule that drops everything is never looked at.
func openPort(ip netip.Addr, proto string, port string) string {
	family := ""
	if ip.Is6() {
		family = "meta nfproto ipv6 "
	}
	ufw := strings.ReplaceAll(port, "-", ":")
	return fmt.Sprintf("sudo nft insert rule inet filter input %s%s dport %s accept   (or: sudo ufw allow %s/%s; and the same in the firewall of your provider)",
		family, proto, port, ufw, proto)
}

// openWayBack is the rule that lets answers out.
func openWayBack(port string) string {
	return fmt.Sprintf("sudo nft insert rule inet filter output udp sport %s accept   (and the same in the firewall of your provider)", port)
}

// record is the name of a record of DNS.
func record(host string, ip netip.Addr) string {
	kind := "A"
	if ip.Is6() {
		kind = "AAAA"
	}
	return kind + " record of " + host
}

// records are those that a name ought to have.
func records(host string, right []netip.Addr) string {
	var list []string
	for _, ip := range right {
		if !isInner(ip) {
			list = append(list, fmt.Sprintf("set the %s to %v", record(host, ip), ip))
		}
	}
	if len(list) == 0 {
		return "set the A record of " + host + " to the address of your server"
	}
	return strings.Join(list, "; ")
}

// publicIPs tells the server where it is.
func publicIPs(right []netip.Addr) string {
	return strings.ReplaceAll(setting+"PUBLIC_IPS="+join(right), ", ", ",") + "   (and restart; or leave it unset, and the program finds its addresses)"
}

// proxy is what a Server header tells.
func proxy(server string) string {
	name, _, _ := strings.Cut(strings.ToLower(server), "/")
	switch {
	case strings.Contains(name, "nginx"), strings.Contains(name, "openresty"):
		return "nginx"
	case strings.Contains(name, "caddy"):
		return "caddy"
	case strings.Contains(name, "apache"):
		return "apache"
	case strings.Contains(name, "haproxy"):
		return "haproxy"
	case strings.Contains(name, "cloudflare"):
		return "cloudflare"
	}
	return ""
}

// upgradeLine is what lets WebSockets through a proxy.
func upgradeLine(server string) string {
	switch proxy(server) {
	case "nginx":
		return `in the location of nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";   (configs/nginx.conf has all of it)`
	case "caddy":
		return "in the Caddyfile: reverse_proxy 127.0.0.1:8080   without header_up lines for Upgrade or Connection (configs/Caddyfile)"
	case "apache":
		return `for Apache: ProxyPass "/" "http://127.0.0.1:8080/" upgrade=websocket   (with mod_proxy_http 2.4.47 or later)`
	case "cloudflare":
		return "at Cloudflare: Network, WebSockets, on"
	}
	return `in the proxy, hand on the headers Upgrade and Connection by HTTP/1.1: nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; ` +
		`HAProxy: no "http-request del-header Upgrade" and no "option httpclose"; Caddy: reverse_proxy does it   (configs/ has files for all three)`
}

// hostLine is what lets the page open WebSockets: the server compares their origin
// with the host that was asked for.
func hostLine(server string) string {
	const line = "let the proxy hand on the header Host as it came"
	const or = ", or allow the origin: " + setting + "ALLOWED_ORIGINS=https://<name of the page>"
	switch proxy(server) {
	case "nginx":
		return line + ": proxy_set_header Host $host;   (in the location of nginx; configs/nginx.conf has all of it)" + or
	case "apache":
		return line + ": ProxyPreserveHost On" + or
	}
	return line + " (nginx: proxy_set_header Host $host; Apache: ProxyPreserveHost On; HAProxy and Caddy do it)" + or
}

// upstreamLine is what leads a proxy to the program.
func upstreamLine(server string) string {
	switch proxy(server) {
	case "nginx":
		return "start the program (systemctl status wasmp2pchat), or in nginx: proxy_pass http://127.0.0.1:8080;   as " + setting + "ADDR says"
	case "caddy":
		return "start the program (systemctl status wasmp2pchat), or in the Caddyfile: reverse_proxy 127.0.0.1:8080   as " + setting + "ADDR says"
	}
	return "start the program (systemctl status wasmp2pchat), and let the proxy pass on to the address in " + setting + "ADDR"
}
