package server

import (
	"fmt"
	"strings"

	"weft/jetstream/subject"
)

// Without users whoever is on loopback is publisher, service and operator in one. As an
// operator it needs the store of the operators' account, which answers to any subject
// with bytes of the asker's choice: it must not be in one account with services. So the
// client is among the services, and what it asks of the buckets crosses by imports.
// An answer then passes the mappings of the services' account, and goes nowhere below
// svc.

// inboxes are where the consumers of those who watch a bucket deliver.
const inboxes = "_INBOX.>"

// exportBuckets lets the services' account use the buckets.
func exportBuckets(buckets []Bucket) string {
	var list []string
	for _, s := range bucketRequests(buckets) {
		response := ""
		if strings.HasPrefix(s, "$JS.API.CONSUMER.MSG.NEXT.") {
			response = ", response_type: stream"
		}
		list = append(list, fmt.Sprintf("{service: %q, accounts: [%s]%s}", s, accountServices, response))
	}
	list = append(list, fmt.Sprintf("{stream: %q, accounts: [%s]}", inboxes, accountServices))
	return "exports: [" + strings.Join(list, ", ") + "]"
}

// importBuckets is the other side of exportBuckets.
func importBuckets(buckets []Bucket) string {
	var list []string
	for _, s := range bucketRequests(buckets) {
		list = append(list, fmt.Sprintf("{service: {account: %s, subject: %q}}", accountControl, s))
	}
	list = append(list, fmt.Sprintf("{stream: {account: %s, subject: %q}}", accountControl, inboxes))
	return ", imports: [" + strings.Join(list, ", ") + "]"
}

// What is written into a bucket passes the node. Of the headers that a writer may set, the
// stream looks at some only when all its members have agreed on the message, and what does
// not hold then ends the stream on every node; no permission sees a header. So a mapping of
// the account gives what anybody writes to the node that it came to, and the node
// publishes what it has checked under a prefix that nobody else knows.
const (
	// writePrefix begins the subjects at which nodes hear what is written.
	writePrefix = "weft.write."
	// writtenPrefix begins the subjects of what nodes write, before a token that is secret.
	writtenPrefix = "weft.written."
)

// writesTo begins the subjects of what is written at a node.
func writesTo(token string) string { return writePrefix + token + "." }

func writeMappings(buckets []Bucket, heard, own string) mappings {
	var list mappings
	for _, b := range buckets {
		list = append(list, mapping{subject.Keys + b.Name + ".>", heard + b.Name + ".>"}, mapping{own + b.Name + ".>", subject.Keys + b.Name + ".>"})
	}
	return list
}

// WritesOf says how the subjects begin of what is written into buckets at a node, by anybody,
// and own how those do by which the node writes.
func WritesOf(s *Server) (heard, own string) { return writesTo(s.token), s.own.writing }
