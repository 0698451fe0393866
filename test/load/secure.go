package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"weft/test/load/crowd"
)

// protected are the targets of a Weft that serves TLS by itself, by name. Their
// subscribers are goroutines with crypto/tls: the server's figures compare with
// the others, the client's and the latencies do not.
func protected(s *server) map[string]crowd.Target {
	h2 := s.sse
	h2.HTTP2 = true
	return map[string]crowd.Target{"sse": s.sse, "websocket": s.websocket, "h2": h2}
}

// secureFanOuts measures one topic with many followers over TLS and HTTP/2.
func (b *bench) secureFanOuts(ctx context.Context) error {
	for _, name := range []string{"sse", "h2"} {
		for _, inFlight := range []int{1, 8} {
			s, err := startWeft(ctx, b.weft, weftOptions{query: besideInbox.query, tls: b.cert})
			if err != nil {
				return err
			}
			c, err := b.flow(ctx, s, crowd.Config{Target: protected(s)[name], Ready: s.ready}, b.scale.tls,
				flow{subjects: 1, inFlight: inFlight}, s.publish+"/"+topic)
			s.end()
			if err != nil {
				return err
			}
			b.keep(b.results.weft, fmt.Sprintf("tls fan-out %s %d", name, inFlight), c.PerDelivery(), "weft", c)
			b.count(c.Report)
		}
	}
	return nil
}

// secureIdle measures idle connections over TLS and streams over HTTP/2. The three
// servers settle at the same time: only their memory is of interest.
func (b *bench) secureIdle(ctx context.Context) error {
	names := []string{"sse", "websocket", "h2"}
	runs, errs := make([]idle, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		s, err := startWeft(ctx, b.weft, weftOptions{tls: b.cert})
		if err != nil {
			errs[i] = err
			break
		}
		defer s.end()
		all.Go(func() { runs[i], errs[i] = b.stay(ctx, s, protected(s)[name], b.scale.tls) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i, name := range names {
		b.keep(b.results.weft, "tls idle "+name+" bytes", runs[i].Bytes, "weft", runs[i])
		b.count(runs[i].Report)
	}
	return nil
}
