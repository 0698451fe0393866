package jetstream

import (
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"weft/jetstream/kv"
)

// Permissions are the second wall, within an account: they keep who uses the
// buckets from meddling with how these are made, and with what the nodes listen
// to. They do not bind the server's answers to a reply subject; the accounts do.

// publisherPermissions are those of the only client of an account: it may publish
// events, and hear the acknowledgements.
func publisherPermissions(p publisher) *server.Permissions {
	return grant(publishSubjects(p), []string{"_INBOX.>", "_INBOX_" + p.name + ".>"})
}

// operatorPermissions let every key-value library work on the buckets.
func operatorPermissions() *server.Permissions {
	return grant(bucketRequests(), bucketSubjects())
}

// localPermissions are those of a client on loopback when no users are
// configured: it may publish and use the buckets.
func localPermissions(p publisher) *server.Permissions {
	return grant(slices.Concat(bucketRequests(), publishSubjects(p)), bucketSubjects())
}

// publishSubjects are checked after the account has put its prefix before them.
func publishSubjects(p publisher) []string {
	return []string{p.prefix + allUsers, p.prefix + allTopics}
}

// bucketSubjects are what clients of the buckets subscribe to.
func bucketSubjects() []string {
	subjects := []string{"_INBOX.>"}
	for _, bucket := range kv.Operated {
		subjects = append(subjects, "$KV."+bucket+".>")
	}
	return subjects
}

// bucketRequests is what key-value libraries send, the older ones included: some
// make consumers without naming them or read by pulling, some look for buckets
// among all streams. None lists consumers, which are other people's.
func bucketRequests() []string {
	subjects := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	for _, bucket := range kv.Operated {
		stream := "KV_" + bucket
		subjects = append(subjects,
			"$KV."+bucket+".>",
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
	}
	// To forget the traces of deleted keys. The blacklist's go by age: without
	// them a node that was away would not learn of the deletion.
	return append(subjects, "$JS.API.STREAM.PURGE.KV_"+kv.Routes)
}

func grant(publish, subscribe []string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}
}
