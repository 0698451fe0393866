package jetstream

import "github.com/nats-io/nats-server/v2/server"

// Permissions keep presence true and inboxes private: nobody but the nodes may
// subscribe to anything but the own inbox and the buckets.

func permissions(u User) *server.Permissions {
	if u.Role == RoleOperator {
		return grant(operatorPublish(), []string{"_INBOX.>", "$KV.blacklist.>", "$KV.routes.>"})
	}
	// A publisher that wants acknowledgements connects with the inbox prefix
	// _INBOX_<name>, so that it cannot read the answers to others.
	return grant(publisherPublish, []string{"_INBOX_" + u.Name + ".>"})
}

// localPermissions are those of a client on loopback when no users are
// configured: it may publish and use the buckets.
func localPermissions() *server.Permissions {
	return grant(append(operatorPublish(), publisherPublish...), []string{"_INBOX.>", "$KV.blacklist.>", "$KV.routes.>"})
}

var publisherPublish = []string{"user.>", "topic.>"}

// operatorPublish is what `nats kv put/get/create/del/purge/ls/watch` need.
func operatorPublish() []string {
	subjects := []string{"$JS.API.INFO"}
	for _, bucket := range []string{bucketBlacklist, bucketRoutes} {
		stream := "KV_" + bucket
		subjects = append(subjects,
			"$KV."+bucket+".>",
			"$JS.API.STREAM.INFO."+stream,
			"$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream,
			"$JS.API.DIRECT.GET."+stream+".>",
			"$JS.API.CONSUMER.CREATE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>",
			"$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.ACK."+stream+".>",
			"$JS.FC."+stream+".>",
		)
	}
	return subjects
}

func grant(publish, subscribe []string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: subscribe},
	}
}
