package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"weft/edge/problem"
	"weft/jetstream/rpc"
	"weft/jetstream/subject"
)

// followers are those of a topic on one node.
type followers struct {
	userPart
	Connections int `json:"connections"` // all of them, also beyond this part
	// Named are those of them that follow it by its name, as presence counts; nil at a
	// node of a version that does not say.
	Named *int `json:"named,omitempty"`
}

// topicHere counts who follows a topic, by name or by a wildcard. Anonymous
// followers have no name.
func (c *connections) topicHere(_ context.Context, q userQuery) (f followers) {
	limit, after := partLimit(q.Limit), string(q.After)
	users, prefix := map[string]int{}, string(q.Prefix)
	f.Named = new(int)
	for _, s := range c.sessions.All() {
		named, follows := s.Follows(q.Topic)
		if named {
			*f.Named++
		}
		if follows {
			f.Connections++
			if user := s.Identity().User; user > after && strings.HasPrefix(user, prefix) {
				users[user]++
			}
		}
	}
	var items []userEntry
	for u, n := range users {
		items = append(items, userEntry{u, n})
	}
	slices.SortFunc(items, byUser)
	f.userPart = partOf(items, limit)
	return f
}

// topicOf is the subject of a topic that stands in a request, without its prefix.
func topicOf(name string) (string, error) {
	topic := subject.Topic + name
	if err := subject.Check(topic); err != nil {
		return "", problem.New(problem.BadSubject, "a topic is <token>.<token>…, other bytes than letters, digits, - and _ written =XX")
	}
	return topic, nil
}

// followersOf asks all nodes who follows a topic. The sums of what they say are in all.
func (c *connections) followersOf(ctx context.Context, q userQuery) (all followers, parts []userPart, coverage rpc.Coverage, err error) {
	all.Named = new(int)
	said, coverage, err := rpc.CallAllJSON[followers](ctx, c.nodes, methodTopic, q)
	if err != nil {
		return all, nil, coverage, err
	}
	for _, s := range said {
		all.Connections += s.Answer.Connections
		*all.Named += *cmp.Or(s.Answer.Named, &s.Answer.Connections)
		parts = append(parts, s.Answer.userPart)
	}
	return all, parts, coverage, nil
}

// topicFollowers are a topic with a page of its followers.
type topicFollowers struct {
	Topic     string `json:"topic"`
	Online    bool   `json:"online"`
	ByName    int    `json:"by_name"`
	Followers int    `json:"followers"`
	page[userEntry]
	rpc.Coverage
}

// getTopic lists the users that follow a topic on any node, and counts the connections
// that do: by_name are those that presence counts, followers also those by a wildcard.
func (c *connections) getTopic(w http.ResponseWriter, r *request) error {
	after, limit, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	q := userQuery{After: []byte(after), Limit: limit}
	if q.Topic, err = topicOf(r.name); err != nil {
		return err
	}
	all, parts, coverage, err := c.followersOf(r.Context(), q)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, topicFollowers{r.name, *all.Named > 0, *all.Named, all.Connections, merge(parts, "", limit), coverage})
}
