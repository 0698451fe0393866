// Package server runs the NATS server that is embedded in a node: its accounts and
// users, its links to the servers of other nodes, its store on disk.
//
// A Server is made by New, lets the nodes of a new cluster meet (Form), and is started
// with its store (Start). It can be stopped and started again while the node runs:
// what was made by Connect comes back by itself, with Dial one connects again. Of events
// it knows how large they are and on which subjects they are published; the buckets that
// operators may use are given to it.
//
// Who uses the NATS port is in an account by himself (accounts.go), and within it has
// the rights of his role (permissions.go). Links between nodes log in with
// cluster.secret, show certificates if cluster.tls is set (linktls.go), and when they
// are refused the log says why in words of the configuration (linkfault.go).
//
// A data folder belongs to one node, remembers which, and is used by one process at a
// time (datadir.go). A Disk watches its free space.
package server
