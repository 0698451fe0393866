package stage

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A Direction of packets, as seen from a place.
type Direction int

// The directions that can be cut.
const (
	In Direction = 1 << iota
	Out
	Both = In | Out
)

// String names the direction for a table.
func (d Direction) String() string {
	return [...]string{"no direction", "in", "out", "both directions"}[d&Both]
}

// A Reach says whose packets are dropped by a cut.
type Reach int

// The reaches of a cut.
const (
	// Peers are the other places.
	Peers Reach = iota
	// All are the other places, clients, balancer and Kafka.
	All
)

// A Network is some places, each a network namespace with a link to the namespace
// of the test program, which passes packets on between them. It needs Private.
type Network struct{ Places []*Place }

// A Place is a host of its own as far as the network goes.
type Place struct {
	// Address is the one that the place has.
	Address string

	number int
	ports  int // which of ports connections come from
}

// NewNetwork makes places until the test ends.
func NewNetwork(t testing.TB, places int) *Network {
	t.Helper()
	if !HasNetwork() {
		t.Fatal("make a network: the test program is in no private network")
	}
	n := &Network{}
	for i := 1; i <= places; i++ {
		p := &Place{Address: fmt.Sprintf("10.77.0.%d", i), number: i}
		t.Cleanup(p.close)
		if err := p.open(); err != nil {
			t.Fatal(err)
		}
		n.Places = append(n.Places, p)
	}
	return n
}

func (p *Place) name() string { return fmt.Sprintf("place%d", p.number) }

// link is this side's end of the link; the other one is eth0.
func (p *Place) link() string { return fmt.Sprintf("link%d", p.number) }

// mac is the address of an end of the link: 1 is this side's, 2 that of eth0.
func (p *Place) mac(end int) string { return fmt.Sprintf("02:00:00:00:%02x:%02x", end, p.number) }

// open makes namespace and link. The ends have no addresses of a common network:
// each side knows the other one's only, and for good, so that during a cut nobody
// finds out that there is no neighbour and tells.
func (p *Place) open() error {
	there := "-n " + p.name()
	if err := ip("netns add "+p.name(),
		"link add "+p.link()+" address "+p.mac(1)+" type veth peer name eth0 address "+p.mac(2)+" netns "+p.name()); err != nil {
		return err
	}
	// An address of IPv6 that comes by itself does so a second or two after the link is up: for a
	// browser the network is another one then, and it gives up what it loads. A kernel without
	// IPv6 refuses.
	_ = ip(there + " link set eth0 addrgenmode none")
	return ip("link set "+p.link()+" up",
		"route add "+p.Address+"/32 dev "+p.link()+" src "+home,
		there+" link set lo up",
		there+" addr add "+p.Address+"/32 dev eth0",
		there+" link set eth0 up",
		"neigh add "+p.Address+" lladdr "+p.mac(2)+" dev "+p.link()+" nud permanent",
		there+" neigh add "+home+" lladdr "+p.mac(1)+" dev eth0 nud permanent",
		there+" route add "+home+"/32 dev eth0",
		there+" route add default via "+home+" src "+p.Address,
		there+" rule add pref 100 lookup local", there+" rule del pref 0")
}

// The priorities of the rules of a cut, before the one for a host's own packets.
const dropIn, dropOut = 11, 12

// close takes away what open made. The namespace would take the link along, but only when
// the last process has gone; one that is left behind would be in the way of the next.
func (p *Place) close() {
	_ = ip("link del " + p.link())
	_ = ip("netns del " + p.name())
}

// Cut drops the packets of a direction without a word, those of established
// connections, too, in addition to what is cut already. Packets are dropped where
// they arrive, because a sender would be told.
func (p *Place) Cut(d Direction, r Reach) error {
	from, to := "", ""
	if r == Peers {
		from, to = " from 10.77.0.0/24", " to 10.77.0.0/24"
	}
	var lines []string
	if d&In != 0 {
		lines = append(lines, fmt.Sprintf("-n %s rule add pref %d iif eth0%s blackhole", p.name(), dropIn, from))
	}
	if d&Out != 0 {
		lines = append(lines, fmt.Sprintf("rule add pref %d iif %s%s blackhole", dropOut, p.link(), to))
	}
	return ip(lines...)
}

// Heal undoes all cuts of the place.
func (p *Place) Heal() {
	// Each call removes one rule, and fails when there is none.
	for ip(fmt.Sprintf("-n %s rule del pref %d", p.name(), dropIn)) == nil {
	}
	for ip(fmt.Sprintf("rule del pref %d iif %s", dropOut, p.link())) == nil {
	}
}

// Forget drops the packets of the TCP connections that the place has opened, as what
// translates addresses does once it has forgotten them; new connections are let through. Each
// call undoes the one before it, and Heal does.
func (p *Place) Forget() error {
	p.Heal()
	old, next := ports[p.ports], ports[1-p.ports]
	p.ports = 1 - p.ports
	// There is a range of ports to each network namespace, which this path is about.
	write := exec.Command("sh", "-c", "echo "+strings.Replace(next, "-", " ", 1)+" >/proc/sys/net/ipv4/ip_local_port_range")
	p.Enter(write)
	if out, err := write.CombinedOutput(); err != nil {
		return fmt.Errorf("give %s other ports: %w: %s", p.name(), err, out)
	}
	return ip(fmt.Sprintf("-n %s rule add pref %d iif eth0 ipproto tcp dport %s blackhole", p.name(), dropIn, old),
		fmt.Sprintf("rule add pref %d iif %s ipproto tcp sport %s blackhole", dropOut, p.link(), old))
}

// ports are those that connections come from, by turns; the first are those of Linux unless it is told.
var ports = [2]string{"32768-60999", "10000-32000"}

// Narrow lets the place receive no more than so many bytes a second, until it ends. It fails
// where there is no tc.
func (p *Place) Narrow(bytesPerSecond int) error {
	rate := fmt.Sprintf("%dbit", 8*bytesPerSecond)
	out, err := exec.Command("tc", "qdisc", "add", "dev", p.link(), "root", "tbf", "rate", rate, "burst", "64kb", "limit", "256kb").CombinedOutput()
	if err != nil {
		return fmt.Errorf("narrow the link of %s: %w: %s", p.name(), err, out)
	}
	return nil
}

// Enter makes a command that has not been started run in the place, without a process in
// between.
func (p *Place) Enter(cmd *exec.Cmd) {
	cmd.Args = append([]string{"nsenter", "--net=/run/netns/" + p.name(), "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = lookPath("nsenter"), nil
}

// Unplug takes the link of the place down, which programs in the place are told of, unlike
// a cut. Plug undoes it.
func (p *Place) Unplug() error { return ip("-n " + p.name() + " link set eth0 down") }

// Plug takes the link up again.
func (p *Place) Plug() error {
	there := "-n " + p.name()
	return ip(there+" link set eth0 up",
		there+" neigh replace "+home+" lladdr "+p.mac(1)+" dev eth0 nud permanent",
		there+" route replace "+home+"/32 dev eth0",
		there+" route replace default via "+home+" src "+p.Address)
}
