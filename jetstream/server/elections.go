package server

import natsserver "github.com/nats-io/nats-server/v2/server"

// MetaGroup is the name that ElectionsOf has for the group of the members.
const MetaGroup = metaRaft

// ElectionsOf are the Raft terms of the groups that the server is a member of, by the name of
// the stream: of the streams of nodes and operators, and of MetaGroup. A term begins with
// each election, also with one that nobody wins and with a planned handover; it is kept on
// disk and never goes back. Groups that have no copy here yet, or no term, are left out. It
// asks nobody else, and is cheap enough for each scrape.
func ElectionsOf(s *Server) map[string]uint64 {
	srv := s.running()
	if srv == nil || s.cfg.Cluster == nil || !srv.JetStreamEnabled() {
		return nil
	}
	terms := map[string]uint64{}
	if term := termsOf(srv, "")[metaRaft]; term > 0 {
		terms[MetaGroup] = term
	}
	for _, account := range []string{accountNodes, accountControl} {
		detail, err := srv.JszAccount(&natsserver.JSzOptions{Account: account, Streams: true, RaftGroups: true})
		if err != nil {
			continue // not yet made
		}
		of := termsOf(srv, account)
		for _, stream := range detail.Streams {
			if term := of[stream.RaftGroup]; term > 0 {
				terms[stream.Name] = term
			}
		}
	}
	return terms
}

// termsOf are the terms of the groups of an account, "" for that of the system, by the
// names that the servers give to groups.
func termsOf(srv *natsserver.Server, account string) map[string]uint64 {
	terms := map[string]uint64{}
	if z := srv.Raftz(&natsserver.RaftzOptions{AccountFilter: account}); z != nil {
		for _, groups := range *z {
			for name, g := range groups {
				terms[name] = g.Term
			}
		}
	}
	return terms
}
