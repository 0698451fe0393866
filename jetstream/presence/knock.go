package presence

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// knockTime bounds one try to reach the address of a node that is lost, and knockEvery
	// is the time between two. After knockFor without an answer that nobody is there, it
	// may be cut off.
	knockTime  = 500 * time.Millisecond
	knockEvery = 250 * time.Millisecond
	knockFor   = 3 * time.Second
	// guardEvery is how often it is looked at whether a node that has ended is there again,
	// and guardMisses how many tries in a row may end without an answer.
	guardEvery  = time.Second
	guardMisses = 3
	// maxAddresses bounds where a node says that it listens.
	maxAddresses = 64
)

// A Link is one to another node.
type Link struct {
	ID uint64 // tells the link from an earlier one to the same node
	IP string // where the other end of it is, as this node sees it
}

// A lostNode is one that there is no link to any more. Its process has ended when its own
// host refuses connections at the address for links: a node listens there for as long as
// it runs. One that is cut off answers nothing, or is there.
type lostNode struct {
	address string
	since   time.Time
	next    time.Time // when to try
	ended   bool
	misses  int
}

// addresses are where links to a node that listens at an address end: at the address
// itself, or at that port of all addresses of the host.
func addresses(listen string) (list []string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return []string{listen}
	}
	all, _ := net.InterfaceAddrs() // without any, nobody learns where this node is
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && len(list) < maxAddresses {
			list = append(list, net.JoinHostPort(n.IP.String(), port))
		}
	}
	return list
}

// addressOf is the address of a node at the other end of a link: the one of those where it
// says that it listens that is at the same IP address. Where something else answers for
// the node, such as a proxy or a host that translates addresses, there is none.
func addressOf(ip string, listens []string) string {
	far, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	for _, text := range listens[:min(len(listens), maxAddresses)] {
		if a, err := netip.ParseAddrPort(text); err == nil && a.Addr().Unmap() == far.Unmap() {
			return a.String()
		}
	}
	return ""
}

// place takes in where peers say that they listen, and what nodes they say have ended,
// which is looked at from here, too. It reports whether there are any.
func (l *links) place(answers map[string]answer, now time.Time) (ended bool) {
	for name, a := range answers {
		p := l.peers[name]
		p.placed, p.address = p.epoch, addressOf(p.ip, a.At)
		for other, address := range a.Ended {
			if l.peers[other] == nil && l.lost[other] == nil && len(l.lost) < maxAddresses && p.sees(address) {
				l.lost[other], ended = &lostNode{address: address, since: now, next: now}, true
			}
		}
	}
	return ended
}

// sees reports whether an address that a peer has tried may be the same from here: a
// loopback one is on the same host only.
func (p *peer) sees(address string) bool {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	far, err := netip.ParseAddr(p.ip)
	return !a.Addr().Unmap().IsLoopback() || err == nil && far.Unmap().IsLoopback()
}

// tell says where a node listens, and what nodes have ended, with their addresses.
func (a *answer) tell(listen string, ws *watchers) {
	a.At, a.Ended = addresses(listen), map[string]string{}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for name, lost := range ws.links.lost {
		if lost.ended {
			a.Ended[name] = lost.address
		}
	}
}

// lose takes in that there is no link to a peer any more.
func (l *links) lose(name string, p *peer, now time.Time) {
	if p.gone = true; p.address != "" && !p.stays {
		l.lost[name] = &lostNode{address: p.address, since: now, next: now}
	}
}

// ended is how many members have ended.
func (l *links) ended(member func(name string) bool) (n int) {
	for name, lost := range l.lost {
		if lost.ended && member(name) {
			n++
		}
	}
	return n
}

// staying takes in that the process of a peer goes on without links.
func (ws *watchers) staying(name string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if p := ws.links.peers[name]; p != nil {
		p.stays = true
	}
	delete(ws.links.lost, name)
}

// Unlink tells the other nodes, within 250 ms, that the links of this one end for a while
// although it, and its connections, do not.
func (p *Presence) Unlink(ctx context.Context) {
	p.p.RPC.CallAll(ctx, methodUnlink, []byte(p.p.Node))
}

// knockLoop tries the addresses of lost nodes, until ctx ends.
func (p *Presence) knockLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.watchers.knocking:
		}
		due, next := p.watchers.toKnock(time.Now())
		var knocks sync.WaitGroup
		for name, lost := range due {
			knocks.Go(func() {
				err := p.knock(ctx, lost.address)
				p.watchers.knocked(name, lost, err, time.Now())
			})
		}
		knocks.Wait()
		wait := time.Hour
		if len(due) > 0 {
			wait = 0 // there are new times
		} else if !next.IsZero() {
			wait = time.Until(next)
		}
		timer.Reset(max(wait, time.Millisecond))
	}
}

// knock tries an address; nil: somebody is there.
func knock(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: knockTime}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close() // nothing was sent
	}
	return err
}

// toKnock are the lost nodes that are to be tried now, or when some are; zero: when one is
// lost.
func (ws *watchers) toKnock(now time.Time) (due map[string]*lostNode, next time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	due = map[string]*lostNode{}
	for name, lost := range ws.links.lost {
		if next = sooner(next, lost.next); !now.Before(lost.next) {
			due[name] = lost
		}
	}
	return due, next
}

// knocked takes in what came of a try.
func (ws *watchers) knocked(name string, lost *lostNode, err error, now time.Time) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.links.lost[name] != lost {
		return // it is linked
	}
	before := lost.ended
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		lost.ended, lost.misses, lost.next = true, 0, now.Add(guardEvery)
	case err == nil && before, lost.misses+1 >= guardMisses && before, !before && now.Sub(lost.since) > knockFor:
		lost.ended = false
		delete(ws.links.lost, name)
	case before:
		lost.misses++
		lost.next = now.Add(guardEvery)
	default:
		lost.next = now.Add(knockEvery)
	}
	if lost.ended != before { // it is looked at now
		ws.links.looked = time.Time{}
		nudge(ws.wake)
	}
}
