package server

import (
	"fmt"
	"strings"
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
