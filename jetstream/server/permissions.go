package server

import (
	"slices"
	"strings"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/subject"
)

// Permissions are the second wall, within an account: they keep who uses the
// buckets from meddling with how these are made, and with what the nodes listen
// to. They do not bind the server's answers to a reply subject; the accounts do.

// publisherPermissions are those of the only client of an account: it may publish
// events, and hear the acknowledgements.
func publisherPermissions(p Publisher) *natsserver.Permissions {
	return grant(publishSubjects(p.Prefix), []string{inboxes, "_INBOX_" + p.Name + ".>"})
}

// operatorPermissions let every key-value library work on the buckets, and look at services.
// What is written is checked under the subject that the account has given it: nobody
// publishes to $KV. but by way of the node.
func operatorPermissions(name string, buckets []Bucket, writes string) *natsserver.Permissions {
	allowed := bucketRequests(buckets)
	for i, s := range allowed {
		if to, ok := strings.CutPrefix(s, subject.Keys); ok {
			allowed[i] = writes + to
		}
	}
	return grant(slices.Concat(allowed, discoveries), append(bucketSubjects(buckets), "_INBOX_"+name+".>"))
}

// localPermissions are those of a client on loopback when no users are
// configured: it may publish, use the buckets, and be a service. It may not hear $KV.: what
// it publishes there itself with a reply subject it could answer to.
func localPermissions(p Publisher, buckets []Bucket) *natsserver.Permissions {
	own := servicePermissions("", p.Prefix)
	own.Publish.Allow = slices.Concat(own.Publish.Allow, bucketRequests(buckets), discoveries)
	own.Subscribe.Allow = []string{inboxes, subject.AllServices, discovery}
	return own
}

// publishSubjects are checked after the account has put its prefix before them.
func publishSubjects(prefix string) []string {
	return []string{prefix + subject.AllUsers, prefix + subject.AllTopics, prefix + subject.AllRules}
}

// bucketSubjects are what clients of the buckets subscribe to.
func bucketSubjects(buckets []Bucket) []string {
	subjects := []string{inboxes}
	for _, bucket := range buckets {
		subjects = append(subjects, subject.Keys+bucket.Name+".>")
	}
	return subjects
}

// bucketRequests is what key-value libraries send, the older ones included: some
// make consumers without naming them or read by pulling, some look for buckets
// among all streams. None lists consumers, which are other people's.
func bucketRequests(buckets []Bucket) []string {
	subjects := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	for _, bucket := range buckets {
		stream := "KV_" + bucket.Name
		subjects = append(subjects,
			subject.Keys+bucket.Name+".>",
			"$JS.API.STREAM.INFO."+stream,
			"$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream,
			"$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.CONSUMER.CREATE."+stream,
			"$JS.API.CONSUMER.CREATE."+stream+".>",
			"$JS.API.CONSUMER.DURABLE.CREATE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.ACK."+stream+".>",
			"$JS.FC."+stream+".>",
		)
		if bucket.Purge {
			subjects = append(subjects, "$JS.API.STREAM.PURGE."+stream)
		}
	}
	return subjects
}

func grant(publish, subscribe []string) *natsserver.Permissions {
	return &natsserver.Permissions{
		Publish:   &natsserver.SubjectPermission{Allow: publish},
		Subscribe: &natsserver.SubjectPermission{Allow: subscribe},
	}
}
