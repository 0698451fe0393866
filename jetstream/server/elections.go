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
	if term := raftGroups(srv, accountSystem)[metaRaft].Term; term > 0 {
		terms[MetaGroup] = term
	}
	for _, account := range []string{accountNodes, accountControl} {
		groups := raftGroups(srv, account)
		for stream, group := range raftGroupsOfStreams(srv, account) {
			if term := groups[group].Term; term > 0 {
				terms[stream] = term
			}
		}
	}
	return terms
}

// raftGroups are the Raft groups of an account that the server is a member of, by the names
// that the servers give to groups.
func raftGroups(srv *natsserver.Server, account string) map[string]natsserver.RaftzGroup {
	z := srv.Raftz(&natsserver.RaftzOptions{AccountFilter: account})
	if z == nil {
		return nil
	}
	return (*z)[account]
}

// raftGroupsOfStreams are the names of the Raft groups of an account's streams, by stream;
// none while the account has no store yet. It waits for what the streams wait for.
func raftGroupsOfStreams(srv *natsserver.Server, account string) map[string]string {
	detail, err := srv.JszAccount(&natsserver.JSzOptions{Account: account, Streams: true, RaftGroups: true})
	if err != nil {
		return nil
	}
	groups := make(map[string]string, len(detail.Streams))
	for _, stream := range detail.Streams {
		groups[stream.Name] = stream.RaftGroup
	}
	return groups
}
