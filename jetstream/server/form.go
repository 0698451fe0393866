package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// lookupTry bounds one look-up of the seeds' names.
	lookupTry = 2 * time.Second
	// meetEvery is how often a node looks who is there.
	meetEvery = 25 * time.Millisecond
)

// metaFolder is where the server keeps who the members are, in the data folder.
const metaFolder = "jetstream/" + accountSystem + "/_js_/_meta_"

// Form makes the node part of a cluster the first time; otherwise it learns whether it
// has been in one. It says to report what it waits for, and comes before
// Start.
func (s *Server) Form(ctx context.Context, report func(string)) error {
	if s.cfg.Cluster == nil {
		return nil
	}
	id, err := ReadIdentity(s.cfg.Node.DataDir)
	if err != nil || id.Formed {
		_, lost := os.Stat(filepath.Join(s.cfg.Node.DataDir, metaFolder))
		s.formed = lost == nil
		return err
	}
	if err := s.meet(ctx, report); err != nil {
		return err
	}
	id.Formed = true
	report("forming the cluster")
	return id.Write(s.cfg.Node.DataDir)
}

// meet waits until cluster.size nodes see each other, so that the cluster they
// form has all of them from the start. The server has no store meanwhile.
func (s *Server) meet(ctx context.Context, report func(string)) error {
	defer s.Stop()
	var addrs []string
	said := 0
	for {
		if now := expand(ctx, s.cfg.Cluster.Seeds); s.running() == nil || !slices.Equal(now, addrs) {
			s.Stop()
			addrs = now
			if err := s.run(addrs, false); err != nil {
				return err
			}
		}
		met := len(s.Peers()) + 1
		if met >= s.cfg.Cluster.Size {
			s.met = reached(s.running())
			s.log.Info("the nodes have met; forming the cluster", "nodes", met)
			return nil
		}
		if met != said {
			said = met
			s.log.Info("waiting for the other nodes to form the cluster", "nodes", met, "size", s.cfg.Cluster.Size, "seeds", addrs)
		}
		report(fmt.Sprintf("waiting for %d nodes to form the cluster; %d are here%s", s.cfg.Cluster.Size, met, s.faults.because()))
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the other nodes: %w", context.Cause(ctx))
		case <-time.After(meetEvery):
		}
	}
}

// expand looks up all addresses of the seeds. A name that is unknown is kept:
// it may become known.
func expand(ctx context.Context, seeds []string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookupTry)
	defer cancel()
	var addrs []string
	for _, seed := range seeds {
		host, port, err := net.SplitHostPort(seed)
		if err != nil {
			continue // Check has refused it
		}
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil || len(ips) == 0 {
			addrs = append(addrs, seed)
			continue
		}
		for _, ip := range ips {
			addrs = append(addrs, net.JoinHostPort(ip, port))
		}
	}
	slices.Sort(addrs)
	return slices.Compact(addrs)
}
