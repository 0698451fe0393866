package admin

import (
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
}

// topicHere counts who follows a topic, by name or by a wildcard. Anonymous
// followers have no name.
func (c *connections) topicHere(_ context.Context, q userQuery) (f followers) {
	limit, after := partLimit(q.Limit), string(q.After)
	users := map[string]int{}
	for _, s := range c.sessions.All() {
		if s.Follows(q.Topic) {
			f.Connections++
			if user := s.Identity().User; user > after {
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

// getTopic lists the users that follow a topic on any node.
func (c *connections) getTopic(w http.ResponseWriter, r *request) error {
	after, limit, err := pageQuery(r.query)
	if err != nil {
		return err
	}
	q := userQuery{Topic: subject.Topic + r.name, After: []byte(after), Limit: limit}
	if err := subject.Check(q.Topic); err != nil {
		return problem.New(problem.BadSubject, "a topic is <token>.<token>…, other bytes than letters, digits, - and _ written =XX")
	}
	said, coverage, err := rpc.CallAllJSON[followers](r.Context(), c.nodes, methodTopic, q)
	if err != nil {
		return err
	}
	connections, parts := 0, []userPart{}
	for _, s := range said {
		connections += s.Answer.Connections
		parts = append(parts, s.Answer.userPart)
	}
	return answer(w, http.StatusOK, struct {
		Topic     string `json:"topic"`
		Followers int    `json:"followers"`
		page[userEntry]
		rpc.Coverage
	}{strings.TrimPrefix(q.Topic, subject.Topic), connections, merge(parts, limit), coverage})
}
