package subject

import "strings"

// Presence is put before a subject to make the one on which its followers are told of:
// presence.<user> of a user's inbox, presence.topic.<token>… of a topic.
const Presence = "presence."

// Followed turns presence.<user> into user.<user>, and presence.topic.<token>… into
// topic.<token>…; of any other subject it is false. What it returns is as good or bad a
// subject as s was.
func Followed(s string) (followed string, ok bool) {
	rest, ok := strings.CutPrefix(s, Presence)
	switch {
	case !ok:
		return "", false
	case strings.HasPrefix(rest, Topic):
		return rest, true
	}
	return User + rest, true
}

// PresenceOf is the inverse of Followed.
func PresenceOf(followed string) string { return Presence + strings.TrimPrefix(followed, User) }
