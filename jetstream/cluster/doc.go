// Package cluster is what a node knows of the cluster that it is a member of, and what
// it does for it.
//
// Forming a cluster the first time is the server's (server.Form). Here it begins with
// Enter, which asks whether the node may be a member; Run then watches the links to the
// other nodes, the members, the clocks and the groups until it is told to end.
//
// A node is cut off while it is linked to fewer nodes than a majority. It serves what it
// has for a while and takes nothing meanwhile; Links says for how long, and Majority ends
// what must not go on. A node that an operator has removed is remembered under its peer
// id, since the servers would take it back: it refuses to start, and is taken out again
// should it be counted.
//
// A standalone node has a Cluster, too, of which it is the whole.
package cluster
